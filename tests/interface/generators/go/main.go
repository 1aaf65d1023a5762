// Calls the registry with the client that OpenAPI Generator's `go` made from the document.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	cee "client/generated"
)

const (
	name  = "GOL"
	phone = "+336399801"
)

type keys struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

func check(holds bool, about ...any) {
	if !holds {
		panic(fmt.Sprintln(about...))
	}
}

func client(k keys) (*cee.APIClient, context.Context) {
	configuration := cee.NewConfiguration()
	configuration.Servers = cee.ServerConfigurations{{URL: os.Getenv("API")}}
	client := cee.NewAPIClient(configuration)
	credentials := *cee.NewCredentials(k.AccessKey, k.SecretKey)
	token, _, err := client.AccessAPI.GetAccessToken(context.Background()).Credentials(credentials).Execute()
	check(err == nil, err)
	return client, context.WithValue(context.Background(), cee.ContextAccessToken, token.AccessToken)
}

func register(client *cee.APIClient, as context.Context, signed *time.Time) (*cee.Application, *http.Response, error) {
	date := time.Date(2024, 3, 15, 7, 30, 0, 0, time.UTC)
	long := cee.NewLongRegistration("long", name, phone, "99-DEGOL01", date)
	long.ApplicationTimestamp = signed
	return client.ApplicationsAPI.Register(as).Registration(cee.LongRegistrationAsRegistration(long)).Execute()
}

// The typed problem of a refused call.
func refused[Problem any](response *http.Response, err error, status int) Problem {
	check(response != nil && response.StatusCode == status, response, err)
	var refusal *cee.GenericOpenAPIError
	check(errors.As(err, &refusal), err)
	problem, ok := refusal.Model().(Problem)
	check(ok, refusal.Error(), refusal.Model())
	return problem
}

func main() {
	var all []keys
	check(json.Unmarshal([]byte(os.Getenv("KEYS")), &all) == nil)
	ours, us := client(all[0])
	theirs, them := client(all[1])

	eligible, _, err := ours.ApplicationsAPI.Simulate(us).Simulation(*cee.NewSimulation(cee.LONG, name, phone)).Execute()
	check(err == nil && eligible.Eligible, err)
	granted, _, err := register(ours, us, nil)
	check(err == nil && granted.Datetime.Equal(time.Date(2024, 3, 15, 7, 30, 0, 0, time.UTC)), granted, err)

	_, response, err := register(theirs, them, nil)
	blocked := refused[cee.Register409Response](response, err, 409).DuplicateProblem
	check(blocked != nil && blocked.Datetime.Equal(granted.Datetime) && blocked.Uuid == nil && blocked.Token == nil, blocked)
	_, response, err = register(ours, us, nil)
	own := refused[cee.Register409Response](response, err, 409).DuplicateProblem
	check(own != nil && own.GetUuid() == granted.Uuid && own.GetToken() == granted.Token, own)
	late := time.Date(2124, 1, 1, 0, 0, 0, 0, time.UTC)
	_, response, err = register(ours, us, &late)
	wrong := refused[cee.Register400Response](response, err, 400).InvalidFieldsProblem
	check(wrong != nil && len(wrong.Errors) == 1 && wrong.Errors[0].Pointer == "/application_timestamp", wrong)

	rows := []cee.HistoryRow{
		*cee.NewHistoryRow(cee.SHORT, name, phone, time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)),
		*cee.NewHistoryRow(cee.SHORT, name, phone, time.Date(2021, 2, 1, 0, 0, 0, 0, time.UTC)),
	}
	batch, _, err := ours.HistoryAPI.ImportHistory(us).HistoryRow(rows).Execute()
	check(err == nil && batch.Imported == 2 && batch.Failed == 0, batch, err)
	fmt.Println("go: done")
}
