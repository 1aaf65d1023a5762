# rclone, without a configuration file: bash rclone.sh history.csv
set -eu
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_CEE_TYPE=s3 RCLONE_CONFIG_CEE_ENV_AUTH=true
# As AWS, rclone sends a checksum that needs TLS. The local stack has none.
export RCLONE_CONFIG_CEE_PROVIDER="$([[ -z ${AWS_ENDPOINT_URL_S3:-} ]] && echo AWS || echo Other)"
export RCLONE_CONFIG_CEE_REGION="$AWS_REGION" RCLONE_CONFIG_CEE_ENDPOINT="${AWS_ENDPOINT_URL_S3:-}"
# Without the first rclone creates the bucket, and without the second an older one sends the ACL `private`: both are refused.
export RCLONE_CONFIG_CEE_NO_CHECK_BUCKET=true RCLONE_CONFIG_CEE_ACL=bucket-owner-full-control
rclone copyto "$1" "cee:$BUCKET/imports/$OPERATOR/$(basename "$1")"
