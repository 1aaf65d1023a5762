# AWS command line, 1 or 2: bash aws.sh history.csv
set -eu
aws s3 cp --no-progress --region "$AWS_REGION" "$1" "s3://$BUCKET/imports/$OPERATOR/"
