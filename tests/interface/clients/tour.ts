// The tour (docs/tour.md) with a client of openapi-fetch and the types that openapi-typescript generated from the OpenAPI document. The
// compiler is half of the test: every name and type below comes from the document.
import { strict as assert } from "node:assert";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const { API, KEYS } = process.env;
assert(API && KEYS, "API and KEYS say where to call and as whom");
type Keys = paths["/auth/access_token"]["post"]["requestBody"]["content"]["application/json"];
const [one, two]: Keys[] = JSON.parse(KEYS);
assert(one && two);

async function client(keys: Keys) {
  const token = await createClient<paths>({ baseUrl: API! }).POST("/auth/access_token", { body: keys });
  assert(token.data, JSON.stringify(token.error));
  return createClient<paths>({ baseUrl: API!, headers: { authorization: `Bearer ${token.data.access_token}` } });
}
const [ours, theirs] = [await client(one), await client(two)];

const driver = { journey_type: "short", last_name_trunc: "MAR" } as const;
const simulated = await ours.POST("/policies/cee/simulate", { body: { ...driver, phone_trunc: "+336399801" } });
assert.equal(simulated.data?.eligible, true);

const registration = { ...driver, driving_license: "051227308989", operator_journey_id: "ar:2024-03-15_0001" };
const granted = await ours.POST("/policies/cee", { body: registration });
assert(granted.data, JSON.stringify(granted.error));
assert.equal(granted.data.journey_id, 1001);

// Lost the response? The same call returns all of it again.
const again = await ours.POST("/policies/cee", { body: registration });
assert.equal(again.response.status, 409);
assert(again.error && "token" in again.error);
assert.equal(again.error.uuid, granted.data.uuid);
assert.equal(again.error.token, granted.data.token);

const mine = { params: { path: { uuid: granted.data.uuid } } };
assert.deepEqual((await ours.GET("/policies/cee/{uuid}", mine)).data, granted.data);
assert.equal((await theirs.GET("/policies/cee/{uuid}", mine)).response.status, 404);

const late = await theirs.POST("/policies/cee", { body: { ...registration, operator_journey_id: "bv_0001" } });
assert(late.error && "reason" in late.error);
assert.deepEqual([late.response.status, late.error.reason, late.error.datetime], [409, "duplicate", granted.data.datetime]);

const wrong = await ours.POST("/policies/cee", { body: { ...registration, last_name_trunc: "Mar" } });
assert(wrong.error && "errors" in wrong.error);
assert.equal(wrong.error.errors[0]?.pointer, "/last_name_trunc");

const place = await ours.POST("/policies/cee/imports", { body: { file_name: "placed.csv" } });
assert(place.data, JSON.stringify(place.error));
const csv = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,PET,+336399837,2021-02-15\n";
const put = await fetch(place.data.upload_url, { method: place.data.method, body: csv });
assert.equal(put.status, 200);
const params = { path: { import_id: place.data.import_id } };
let state: string | undefined;
for (let tries = 0; tries < 600 && state !== "completed"; tries++) {
  await new Promise((later) => setTimeout(later, 100));
  const status = await ours.GET("/policies/cee/imports/{import_id}", { params });
  assert(status.data, JSON.stringify(status.error));
  state = status.data.state;
  if (state === "completed") assert.equal(status.data.imported, 1);
}
assert.equal(state, "completed");

const rows = [
  { journey_type: "long" as const, last_name_trunc: "MAU", phone_trunc: "+336399836", datetime: "2021-06-30T00:00:00+02:00" },
];
const batch = await ours.POST("/policies/cee/import", { body: rows });
assert(batch.data, JSON.stringify(batch.error));
assert.deepEqual([batch.data.imported, batch.data.failed], [1, 0]);
const listed = await ours.GET("/policies/cee/imports", { params: { query: { limit: 1 } } });
assert(listed.data, JSON.stringify(listed.error));
assert.deepEqual(listed.data.imports.map((one) => [one.import_id, one.kind]), [[batch.data.import_id, "batch"]]);
const back = await ours.DELETE("/policies/cee/imports/{import_id}", { params: { path: { import_id: batch.data.import_id } } });
assert.deepEqual([back.response.status, back.data?.import_id], [202, batch.data.import_id]);
const proof = await ours.GET("/proofs/{uuid}", mine);
assert.equal(proof.data?.state, "granted");

assert.equal((await ours.DELETE("/policies/cee/{uuid}", mine)).response.status, 204);
assert.equal((await ours.GET("/proofs/{uuid}", mine)).data?.state, "deleted");
const changed = await ours.GET("/policies/cee/changes", { params: { query: { limit: 500 } } });
assert(changed.data, JSON.stringify(changed.error));
const { uuid, change, deleted_by } = changed.data.changes.at(-1)!;
assert.deepEqual([uuid, change, deleted_by], [granted.data.uuid, "deleted", "operator"]);
const free = await theirs.POST("/policies/cee/simulate", { body: { ...driver, phone_trunc: "+336399801" } });
assert.equal(free.data?.eligible, true);
console.log("TypeScript: the tour is done");
