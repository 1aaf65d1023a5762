import cee.ApiClient;
import cee.ApiException;
import cee.api.AccessApi;
import cee.api.ApplicationsApi;
import cee.api.HistoryApi;
import cee.model.Credentials;
import cee.model.DuplicateProblem;
import cee.model.HistoryRow;
import cee.model.ImportedBatch;
import cee.model.InvalidFieldsProblem;
import cee.model.JourneyType;
import cee.model.LongRegistration;
import cee.model.Register400Response;
import cee.model.Register409Response;
import cee.model.Registration;
import cee.model.Simulation;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.OffsetDateTime;
import java.util.List;

/** Calls the registry with the client that OpenAPI Generator's {@code java} ({@code native}) made from the document. */
final class Client {
    private static final String NAME = "JAV";
    private static final String PHONE = "+336399801";
    private static final ObjectMapper JSON = ApiClient.createDefaultObjectMapper();

    private interface Call {
        Object send() throws ApiException;
    }

    private static void check(boolean holds, Object about) {
        if (!holds) {
            throw new IllegalStateException(String.valueOf(about));
        }
    }

    private static ApiClient client(JsonNode keys) throws ApiException {
        ApiClient client = new ApiClient();
        client.updateBaseUri(System.getenv("API"));
        Credentials credentials = new Credentials().accessKey(keys.get("access_key").asText()).secretKey(keys.get("secret_key").asText());
        String token = new AccessApi(client).getAccessToken(credentials).getAccessToken();
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        return client;
    }

    private static Registration registration(OffsetDateTime signed) {
        return new Registration(new LongRegistration()
                .journeyType(LongRegistration.JourneyTypeEnum.LONG)
                .lastNameTrunc(NAME)
                .phoneTrunc(PHONE)
                .drivingLicense("99-DEJAV01")
                .datetime(OffsetDateTime.parse("2024-03-15T07:30:00Z"))
                .applicationTimestamp(signed));
    }

    /** The typed problem of a call that must be refused with this status. */
    private static <T> T refused(Call call, int status, Class<T> problem) throws Exception {
        try {
            throw new IllegalStateException(String.valueOf(call.send()));
        } catch (ApiException refusal) {
            check(refusal.getCode() == status, refusal);
            return JSON.readValue(refusal.getResponseBody(), problem);
        }
    }

    private static DuplicateProblem duplicate(ApplicationsApi as) throws Exception {
        return refused(() -> as.register(registration(null), null), 409, Register409Response.class).getDuplicateProblem();
    }

    public static void main(String[] arguments) throws Exception {
        JsonNode keys = JSON.readTree(System.getenv("KEYS"));
        ApiClient mine = client(keys.get(0));
        ApplicationsApi ours = new ApplicationsApi(mine);
        ApplicationsApi theirs = new ApplicationsApi(client(keys.get(1)));

        Simulation question = new Simulation().journeyType(JourneyType.LONG).lastNameTrunc(NAME).phoneTrunc(PHONE);
        check(ours.simulate(question).getEligible(), "eligible");
        var granted = ours.register(registration(null), null);
        check(granted.getDatetime().equals(OffsetDateTime.parse("2024-03-15T07:30:00Z")), granted);

        DuplicateProblem blocked = duplicate(theirs);
        check(blocked.getDatetime().equals(granted.getDatetime()) && blocked.getUuid() == null && blocked.getToken() == null, blocked);
        DuplicateProblem own = duplicate(ours);
        check(own.getUuid().equals(granted.getUuid()) && own.getToken().equals(granted.getToken()), own);
        OffsetDateTime late = OffsetDateTime.parse("2124-01-01T00:00:00Z");
        InvalidFieldsProblem wrong =
                refused(() -> ours.register(registration(late), null), 400, Register400Response.class).getInvalidFieldsProblem();
        check(wrong.getErrors().size() == 1 && wrong.getErrors().get(0).getPointer().equals("/application_timestamp"), wrong);

        HistoryRow first = new HistoryRow().journeyType(JourneyType.SHORT).lastNameTrunc(NAME).phoneTrunc(PHONE)
                .datetime(OffsetDateTime.parse("2021-01-01T00:00:00Z"));
        HistoryRow second = new HistoryRow().journeyType(JourneyType.SHORT).lastNameTrunc(NAME).phoneTrunc(PHONE)
                .datetime(OffsetDateTime.parse("2021-02-01T00:00:00Z"));
        ImportedBatch batch = new HistoryApi(mine).importHistory(List.of(first, second));
        check(batch.getImported() == 2 && batch.getFailed() == 0 && batch.getFailedDetails().isEmpty(), batch);
        System.out.println("java: done");
    }
}
