# boto3: python3 with_boto3.py history.csv
import os
import pathlib
import sys

import boto3

file = pathlib.Path(sys.argv[1])
# boto3 itself reads AWS_DEFAULT_REGION only.
s3 = boto3.client("s3", region_name=os.environ["AWS_REGION"])
s3.upload_file(str(file), os.environ["BUCKET"], f"imports/{os.environ['OPERATOR']}/{file.name}")
