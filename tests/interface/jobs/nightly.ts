// What changed about our applications: API=… ACCESS_KEY=… SECRET_KEY=… node nightly.js applications.json
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

type Change = { uuid: string; change: string; status?: string };
type Page = { changes: Change[]; next_cursor: string; more: boolean };
type State = { since: string; statuses: Record<string, string> };
const { API, ACCESS_KEY: access_key, SECRET_KEY: secret_key } = process.env;
const file = process.argv[2] ?? "applications.json";

const json = { "content-type": "application/json" };
const keys = { method: "POST", headers: json, body: JSON.stringify({ access_key, secret_key }) };
const { access_token } = await (await fetch(`${API}/auth/access_token`, keys)).json() as { access_token: string };
const headers = { authorization: `Bearer ${access_token}` };
const state: State = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { since: "", statuses: {} };
for (let more = true; more; ) {
  const answer = await fetch(`${API}/policies/cee/changes?limit=500${state.since}`, { headers });
  if (answer.status === 410 && state.since) {
    state.since = ""; // Not run for over a year: compare with GET /policies/cee, too.
    continue;
  }
  if (!answer.ok) throw new Error(await answer.text()); // The next run goes on from the file.
  const page = await answer.json() as Page;
  for (const { uuid, change, status } of page.changes) state.statuses[uuid] = status ?? change;
  state.since = `&since=${page.next_cursor}`;
  more = page.more;
  writeFileSync(`${file}.new`, JSON.stringify(state)); // The page and its cursor together, or neither.
  renameSync(`${file}.new`, file);
}
