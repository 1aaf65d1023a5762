// Calls the registry with the client that OpenAPI Generator's `csharp` (`httpclient`) made from the document without its discriminators.
using System;
using System.Linq;
using Cee.Api;
using Cee.Client;
using Cee.Model;
using Newtonsoft.Json.Linq;

static class Client
{
    const string Name = "CSH";
    const string Phone = "+336399801";

    static void Check(bool holds, object about)
    {
        if (!holds) throw new InvalidOperationException(Convert.ToString(about));
    }

    static Configuration Caller(JToken keys)
    {
        var api = Environment.GetEnvironmentVariable("API");
        var credentials = new Credentials((string)keys["access_key"], (string)keys["secret_key"]);
        var token = new AccessApi(new Configuration { BasePath = api }).GetAccessToken(credentials);
        return new Configuration { BasePath = api, AccessToken = token.VarAccessToken };
    }

    static Registration Long(DateTime signed = default)
    {
        var date = new DateTime(2024, 3, 15, 7, 30, 0, DateTimeKind.Utc);
        return new Registration(new LongRegistration(LongRegistration.JourneyTypeEnum.Long, Name, Phone, "99-DECSH01", date, signed));
    }

    // The problem of a call that must be refused with this status.
    static string Refused(Func<object> call, int status)
    {
        try
        {
            throw new InvalidOperationException(Convert.ToString(call()));
        }
        catch (ApiException refusal)
        {
            Check(refusal.ErrorCode == status, refusal);
            return (string)refusal.ErrorContent;
        }
    }

    static DuplicateProblem Duplicate(ApplicationsApi caller)
    {
        return Register409Response.FromJson(Refused(() => caller.Register(Long()), 409)).GetDuplicateProblem();
    }

    static void Main()
    {
        var keys = JArray.Parse(Environment.GetEnvironmentVariable("KEYS"));
        var mine = Caller(keys[0]);
        var ours = new ApplicationsApi(mine);
        var theirs = new ApplicationsApi(Caller(keys[1]));

        Check(ours.Simulate(new Simulation(JourneyType.Long, Name, Phone)).VarEligible, "eligible");
        var granted = ours.Register(Long());
        Check(granted.Datetime.ToUniversalTime() == new DateTime(2024, 3, 15, 7, 30, 0, DateTimeKind.Utc), granted);

        var blocked = Duplicate(theirs);
        Check(blocked.Reason == Reason.Duplicate && blocked.Datetime == granted.Datetime && blocked.Token == null, blocked);
        var own = Duplicate(ours);
        Check(own.Uuid == granted.Uuid && own.Token == granted.Token, own);
        var late = new DateTime(2124, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        var wrong = Register400Response.FromJson(Refused(() => ours.Register(Long(late)), 400)).GetInvalidFieldsProblem();
        Check(wrong.Errors.Single().Pointer == "/application_timestamp", wrong);

        var dates = new[] { 1, 2 }.Select(month => new DateTime(2021, month, 1, 0, 0, 0, DateTimeKind.Utc));
        var rows = dates.Select(date => new HistoryRow(JourneyType.Short, Name, Phone, date)).ToList();
        var batch = new HistoryApi(mine).ImportHistory(rows);
        Check(batch.Imported == 2 && batch.Failed == 0 && batch.FailedDetails.Count == 0, batch);
        Console.WriteLine("csharp: done");
    }
}
