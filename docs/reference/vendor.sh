#!/usr/bin/env bash
# Downloads the renderer and makes the two changes that README.md names: bash docs/reference/vendor.sh
# Fails if the npm registry returns another archive than the reviewed one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
VERSION=2.5.4
INTEGRITY=M6jWhG1qoBnH6TFmzJnstyCZ87HmOY/UzDm78mHiYihEdlV/YcS9ogOo1NlElnJMeLsyxHFe2yFc4sNjHTrABQ==

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "redoc@$VERSION" >/dev/null
found=$(openssl dgst -sha512 -binary "$work/redoc-$VERSION.tgz" | base64 -w0)
[[ $found == "$INTEGRITY" ]] || { echo "not the archive that was reviewed: sha512-$found" >&2; exit 1; }
tar -xzf "$work/redoc-$VERSION.tgz" -C "$work"
bundles=$work/package/bundles
sed -e 's#https://cdn.redoc.ly/redoc/logo-mini.svg#data:,#' -e '/^\/\/# sourceMappingURL=/d' \
    "$bundles/redoc.standalone.js" >redoc.standalone.js
cp "$bundles/redoc.standalone.js.LICENSE.txt" .
cp "$work/package/LICENSE" redoc.LICENSE
sha256sum redoc.standalone.js
