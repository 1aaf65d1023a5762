# s3cmd 2, without a configuration file: bash s3cmd.sh history.csv
set -eu
host=${AWS_ENDPOINT_URL_S3:-https://s3.$AWS_REGION.amazonaws.com}
[[ $host == https://* ]] && tls=--ssl || tls=--no-ssl
host=${host#*://}
s3cmd --config /dev/null $tls --host "$host" --host-bucket "$host" --region "$AWS_REGION" --quiet \
    put "$1" "s3://$BUCKET/imports/$OPERATOR/$(basename "$1")"
