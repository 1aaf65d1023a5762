// Calls the registry with the models that OpenAPI Generator's `kotlin` (`jvm-retrofit2`, Gson) made from the document without the constants
// of `status`. Java's client sends them: Retrofit is in no registry that CI reaches.
import cee.infrastructure.Serializer.gson
import cee.models.AccessToken
import cee.models.Application
import cee.models.Credentials
import cee.models.DuplicateProblem
import cee.models.Eligible
import cee.models.HistoryRow
import cee.models.ImportedBatch
import cee.models.InvalidFieldsProblem
import cee.models.JourneyType
import cee.models.LongRegistration
import cee.models.Reason
import cee.models.Register400Response
import cee.models.Register409Response
import cee.models.Registration
import cee.models.Simulation
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.time.OffsetDateTime

const val NAME = "KOT"
const val PHONE = "+336399801"
val http: HttpClient = HttpClient.newHttpClient()

/** The response to a call, which must have this status. */
inline fun <reified T> send(path: String, body: Any, token: String?, status: Int): T {
    val request = HttpRequest.newBuilder(URI.create(System.getenv("API") + path)).header("Content-Type", "application/json")
    token?.let { request.header("Authorization", "Bearer $it") }
    request.POST(HttpRequest.BodyPublishers.ofString(gson.toJson(body)))
    val response = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
    check(response.statusCode() == status) { response.body() }
    return gson.fromJson(response.body(), T::class.java)
}

fun registration(signed: OffsetDateTime? = null) = Registration(
    LongRegistration(
        journeyType = LongRegistration.JourneyType.long,
        lastNameTrunc = NAME,
        phoneTrunc = PHONE,
        drivingLicense = "99-DEKOT01",
        datetime = OffsetDateTime.parse("2024-03-15T07:30:00Z"),
        applicationTimestamp = signed,
    ),
)

fun duplicate(token: String) = send<Register409Response>("/policies/cee", registration(), token, 409).actualInstance as DuplicateProblem

fun main() {
    val keys = gson.fromJson(System.getenv("KEYS"), Array<Credentials>::class.java)
    val (us, them) = keys.take(2).map { send<AccessToken>("/auth/access_token", it, null, 201).accessToken }

    check(send<Eligible>("/policies/cee/simulate", Simulation(JourneyType.long, NAME, PHONE), us, 200).eligible)
    val granted = send<Application>("/policies/cee", registration(), us, 201)
    check(granted.datetime == OffsetDateTime.parse("2024-03-15T07:30:00Z"))

    val blocked = duplicate(them)
    check(blocked.reason == Reason.duplicate && blocked.datetime == granted.datetime && blocked.uuid == null && blocked.token == null)
    val own = duplicate(us)
    check(own.uuid == granted.uuid && own.token == granted.token)
    val late = registration(OffsetDateTime.parse("2124-01-01T00:00:00Z"))
    val wrong = send<Register400Response>("/policies/cee", late, us, 400).actualInstance as InvalidFieldsProblem
    check(wrong.errors.map { it.pointer } == listOf("/application_timestamp"))

    val rows = listOf("2021-01-01T00:00:00Z", "2021-02-01T00:00:00Z").map { HistoryRow(JourneyType.short, NAME, PHONE, OffsetDateTime.parse(it)) }
    val batch = send<ImportedBatch>("/policies/cee/import", rows, us, 201)
    check(batch.imported == 2 && batch.failed == 0 && batch.failedDetails.isEmpty())
    println("kotlin: done")
}
