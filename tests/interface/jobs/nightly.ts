// What changed about our applications: API=… ACCESS_KEY=… SECRET_KEY=… node nightly.js applications.json
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

type Change = { uuid: string; change: string; status?: string };
type Page = { changes: Change[]; next_cursor: string; more: boolean };
type List = { applications: { uuid: string; status?: string }[]; next_cursor?: string };
type State = { since: string; statuses: Record<string, string> };
const { API, ACCESS_KEY: access_key, SECRET_KEY: secret_key } = process.env;
const file = process.argv[2] ?? "applications.json";

const keys = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ access_key, secret_key }) };
let token = "";

async function get(path: string): Promise<Response> {
  const answer = await fetch(API + path, { headers: { authorization: `Bearer ${token}` } });
  if (answer.status !== 401) return answer;
  const renewed = await fetch(`${API}/auth/access_token`, keys);
  if (!renewed.ok) throw new Error(await renewed.text());
  token = (await renewed.json() as { access_token: string }).access_token;
  return fetch(API + path, { headers: { authorization: `Bearer ${token}` } });
}

async function read<Body>(answer: Response): Promise<Body> {
  if (!answer.ok) throw new Error(await answer.text()); // The next run continues from the file.
  return await answer.json() as Body;
}

/** The statuses of all our applications that are not deleted. A long one has no status. */
async function listed(): Promise<Record<string, string>> {
  const statuses: Record<string, string> = {};
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page: List = await read(await get(`/policies/cee?limit=500${cursor}`));
    for (const { uuid, status } of page.applications) statuses[uuid] = status ?? "granted";
    cursor = page.next_cursor === undefined ? undefined : `&cursor=${page.next_cursor}`;
  }
  return statuses;
}

let state: State = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { since: "", statuses: {} };
for (let more = true; more; ) {
  const answer = await get(`/policies/cee/changes?limit=500${state.since}`);
  if (answer.status === 410 && state.since) {
    // Not run for over a year, or the registry was restored: what the list does not show was deleted.
    const deleted = Object.fromEntries(Object.keys(state.statuses).map((uuid) => [uuid, "deleted"]));
    state = { since: "", statuses: { ...deleted, ...await listed() } };
    continue;
  }
  const page: Page = await read(answer);
  for (const { uuid, change, status } of page.changes) state.statuses[uuid] = status ?? change;
  state.since = `&since=${page.next_cursor}`;
  more = page.more;
  writeFileSync(`${file}.new`, JSON.stringify(state)); // The page and its cursor together, or neither.
  renameSync(`${file}.new`, file);
}
