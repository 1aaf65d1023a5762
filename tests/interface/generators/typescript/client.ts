// Calls the registry with the client that OpenAPI Generator's `typescript-fetch` made from the document.
import { strict as assert } from "node:assert";
import * as cee from "./generated/index.js";

const { API, KEYS } = process.env;
assert(API && KEYS);
const [one, two]: { access_key: string; secret_key: string }[] = JSON.parse(KEYS);
assert(one && two);
const name = "TYP";
const phone = "+336399801";

async function configuration(keys: { access_key: string; secret_key: string }): Promise<cee.Configuration> {
  const access = new cee.AccessApi(new cee.Configuration({ basePath: API! }));
  const credentials = { accessKey: keys.access_key, secretKey: keys.secret_key };
  const { accessToken } = await access.getAccessToken({ credentials });
  return new cee.Configuration({ basePath: API!, accessToken });
}

/** The problem of a call that must be refused with this status. */
async function refused<Problem>(call: Promise<unknown>, status: number, read: (json: unknown) => Problem): Promise<Problem> {
  const error = await call.then(() => undefined, (error: unknown) => error);
  assert(error instanceof cee.ResponseError, String(error));
  assert.equal(error.response.status, status);
  return read(await error.response.json());
}

const [mine, another] = [await configuration(one), await configuration(two)];
const [ours, theirs] = [new cee.ApplicationsApi(mine), new cee.ApplicationsApi(another)];
const registration = (applicationTimestamp?: Date): cee.RegisterRequest => ({
  registration: {
    journeyType: "long",
    lastNameTrunc: name,
    phoneTrunc: phone,
    drivingLicense: `99-DE${name}01`,
    datetime: new Date("2024-03-15T07:30:00Z"),
    applicationTimestamp,
  },
});

const simulation = { journeyType: cee.JourneyType.Long, lastNameTrunc: name, phoneTrunc: phone };
assert.equal((await ours.simulate({ simulation })).eligible, true);
const granted = await ours.register(registration());
assert.equal(granted.datetime.toISOString(), "2024-03-15T07:30:00.000Z");

const blocked = await refused(theirs.register(registration()), 409, cee.Register409ResponseFromJSON);
assert(cee.instanceOfDuplicateProblem(blocked) && blocked.reason === "duplicate");
assert.deepEqual([blocked.datetime, blocked.uuid, blocked.token], [granted.datetime, undefined, undefined]);
const own = await refused(ours.register(registration()), 409, cee.Register409ResponseFromJSON);
assert(cee.instanceOfDuplicateProblem(own) && own.reason === "duplicate");
assert.deepEqual([own.uuid, own.token], [granted.uuid, granted.token]);
const wrong = await refused(ours.register(registration(new Date("2124-01-01T00:00:00Z"))), 400, cee.Register400ResponseFromJSON);
assert("errors" in wrong);
assert.deepEqual(wrong.errors.map((fault) => fault.pointer), ["/application_timestamp"]);

const historyRow = ["2021-01-01T00:00:00Z", "2021-02-01T00:00:00Z"].map((datetime) => ({
  journeyType: cee.JourneyType.Short,
  lastNameTrunc: name,
  phoneTrunc: phone,
  datetime: new Date(datetime),
}));
const batch = await new cee.HistoryApi(mine).importHistory({ historyRow });
assert.deepEqual([batch.imported, batch.failed, batch.failedDetails], [2, 0, []]);
console.log("typescript: done");
