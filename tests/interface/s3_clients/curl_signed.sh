# curl 7.75 or later with S3 credentials, files up to 5 GiB: bash curl_signed.sh history.csv
set -eu
name=$(jq -rn --arg name "$(basename "$1")" '$name | @uri')
session=()
# Temporary credentials also have a session token.
[[ -z ${AWS_SESSION_TOKEN:-} ]] || session=(-H "x-amz-security-token: $AWS_SESSION_TOKEN")
curl -sSf --aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "${session[@]}" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T "$1" \
    "${AWS_ENDPOINT_URL_S3:-https://s3.$AWS_REGION.amazonaws.com}/$BUCKET/imports/$OPERATOR/$name"
