#!/usr/bin/env bash
# Tools: date-fns 4.4.0 beside luxon 3.7.2 and @js-temporal/polyfill 0.5.1 (npm). Observed 2026-11-29.
#
# Expected: from 29 February 2020 to 28 February 2025 it is five years, because date-fns' own addYears leads from the one to the other (luxon says
#   so); or four years, 11 months and 30 days, because the day has not come yet (Temporal says so). In either case fewer than 12 months.
# Observed: intervalToDuration returns 4 years and 12 months, and formatDuration writes that. From 29 February to 28 February of the next year it
#   returns 12 months and no year, while differenceInYears counts none.
# What it means: a program that asks whether five years are over gets 4 from date-fns and Temporal and 5 from luxon, for the same two days. The
#   registry counts back from the new application: 28 February 2025 less five years is 28 February 2020, so a certificate of 29 February
#   2020 still blocks. Subtract the years from the later date, and compare dates.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . date-fns@4.4.0 luxon@3.7.2 @js-temporal/polyfill@0.5.1

cat > years.mjs <<'JS'
import { addYears, format, formatDuration, intervalToDuration } from "date-fns";
import { DateTime } from "luxon";
import { Temporal } from "@js-temporal/polyfill";
const start = new Date(2020, 1, 29);
const end = new Date(2025, 1, 28);
const units = ["years", "months", "days"];
const temporal = Temporal.PlainDate.from("2020-02-29").until("2025-02-28", { largestUnit: "years" });
console.log([
  `five years later: ${format(addYears(start, 5), "yyyy-MM-dd")}`,
  `date-fns: ${formatDuration(intervalToDuration({ start, end }))}`,
  `a year: ${formatDuration(intervalToDuration({ start, end: new Date(2021, 1, 28) }))}`,
  `luxon: ${formatDuration(DateTime.fromJSDate(end).diff(DateTime.fromJSDate(start), units).toObject())}`,
  `Temporal: ${formatDuration({ years: temporal.years, months: temporal.months, days: temporal.days })}`,
].join("; "));
JS
observed=$(node years.mjs)
recorded='five years later: 2025-02-28; date-fns: 4 years 12 months; a year: 12 months; luxon: 5 years; Temporal: 4 years 11 months 30 days'
echo "expected: date-fns: 5 years, or 4 years 11 months and some days; a year: 1 year, or 11 months and some days"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
