#!/usr/bin/env bash
# Tools: cron 4.4.0 (npm) beside croner 11.0.0 (npm), with a clock of @sinonjs/fake-timers 15.4.0. Observed 2026-11-29.
#
# Expected: a job at "0 3 * * *" in Europe/Paris runs once a day, also on 25 October 2026, when clocks go from 3:00 back to 2:00. Only the hour
#   from 2 to 3 comes twice that night; 3:00 comes once. croner runs it once.
# Observed: cron runs it at 2:00 and again at 3:00. A job at 3:30 runs at 2:30 and 3:30; jobs at 2:00 and 4:00 run once.
# What it means: a nightly job runs twice in one night of the year, an hour apart, and the first time before the hour that it was given. A job
#   that sends registrations must bear that: keep the Idempotency-Key with the attempt, not with the run.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . cron@4.4.0 croner@11.0.0 luxon@3.7.2 @sinonjs/fake-timers@15.4.0

cat > night.mjs <<'JS'
import timers from "@sinonjs/fake-timers";
const noon = new Date("2026-10-24T10:00:00Z");
const clock = timers.install({ now: noon });
const { CronJob } = await import("cron");
const { Cron } = await import("croner");
const timeZone = "Europe/Paris";
const clockFace = new Intl.DateTimeFormat("fr-FR", { timeZone, hour: "numeric", minute: "2-digit" });

// The times at which a job runs from noon to noon.
const ran = async (start) => {
  clock.setSystemTime(noon);
  const times = [];
  const stop = start(() => times.push(clockFace.format(new Date())));
  await clock.tickAsync("25:00:00");
  stop();
  return times.join(" and ");
};
const results = [];
for (const [name, cronTime] of [["at 2", "0 2 * * *"], ["at 3", "0 3 * * *"], ["at 4", "0 4 * * *"]]) {
  const byCron = await ran((onTick) => {
    const job = CronJob.from({ cronTime, onTick, start: true, timeZone });
    return () => job.stop();
  });
  const byCroner = await ran((onTick) => {
    const job = new Cron(cronTime, { timezone: timeZone }, onTick);
    return () => job.stop();
  });
  results.push(`${name}: cron ${byCron}, croner ${byCroner}`);
}
console.log(results.join("; "));
process.exit();
JS
observed=$(node night.mjs)
recorded='at 2: cron 2:00, croner 2:00; at 3: cron 2:00 and 3:00, croner 3:00; at 4: cron 4:00, croner 4:00'
echo "expected: one time for each job, the hour that it was given"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
