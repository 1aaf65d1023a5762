// npm install @aws-sdk/client-s3 @aws-sdk/lib-storage, then: node sdk.mjs history.csv
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const { BUCKET: Bucket, OPERATOR, AWS_REGION: region } = process.env;
const file = process.argv[2];
// `Upload` sends a large file in parts and reads no more than a few of them at once.
const params = { Bucket, Key: `imports/${OPERATOR}/${basename(file)}`, Body: createReadStream(file) };
await new Upload({ client: new S3Client({ region }), params }).done();
