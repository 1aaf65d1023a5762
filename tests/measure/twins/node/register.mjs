// `POST /v3/policies/cee` for a long application: see the README of the twins.

import { createHash, createHmac, createPublicKey, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

import { DynamoDBClient, GetItemCommand, TransactWriteItemsCommand, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { SignJWT, calculateJwkThumbprint, createLocalJWKSet, importPKCS8, jwtVerify } from 'jose';

import { run } from './runtime.mjs';

const STANDARDIZED_YEARS = 12;
const SPECIFIC_YEARS = 10;
const DELAY = 7 * 24 * 60 * 60 * 1000;
// Midnight in Paris.
const SPECIFIC_FLOOR = Date.UTC(2014, 11, 31, 23);
const PERIOD_START = Date.UTC(2022, 11, 31, 23);
const MOST_APPLICATIONS = 20;
const LEEWAY = 30;
const DEADLINE = 8000;
const PATTERNS = {
  journey_type: /^long$/,
  last_name_trunc: /^[A-Z][A-Z ]{2}$/,
  phone_trunc: /^\+[1-9][0-9]{5,12}$/,
  driving_license: /^([A-Z0-9]{1,19}|99-.{1,61})$/,
  datetime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$/,
};
const CONTENTION = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

const { env } = process;
const verified = new Map();
const operators = new Map();
const tokenKeys = createLocalJWKSet(JSON.parse(env.APPLICATION_TOKEN_JWKS));
// The function itself tries again, because it knows what a lost answer means.
const db = new DynamoDBClient({ maxAttempts: 1 });
let proofKey;
let proofKid;

class Refusal extends Error {
  constructor(status, kind, members = {}) {
    super(kind);
    Object.assign(this, { status, kind, members });
  }
}

async function authenticate(headers) {
  const [scheme, token] = (headers.authorization ?? '').split(' ');
  if (scheme.toLowerCase() !== 'bearer' || token === undefined) throw new Refusal(401, 'unauthenticated');
  const digest = createHash('sha256').update(token).digest('base64');
  let claims = verified.get(digest);
  if (claims === undefined) {
    claims = await verify(token);
    if (verified.size >= 1000) verified.clear();
    verified.set(digest, claims);
  }
  const now = Date.now() / 1000;
  if (claims.exp <= now || claims.iat > now + LEEWAY) throw new Refusal(401, 'unauthenticated');
  if (!claims.scope.split(' ').includes('cee:register')) throw new Refusal(403, 'missing-scope');
  const operator = await findOperator(claims.operator_id);
  if (operator === undefined || operator.suspended?.BOOL || operator.siret.S !== claims.siret) {
    throw new Refusal(403, 'operator-not-admitted');
  }
  return claims;
}

async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, tokenKeys, {
      algorithms: ['ES256'],
      issuer: env.APPLICATION_TOKEN_ISSUER,
      audience: env.APPLICATION_TOKEN_AUDIENCE,
      requiredClaims: ['iss', 'aud', 'exp', 'iat', 'operator_id', 'siret', 'scope'],
      clockTolerance: LEEWAY,
    });
    return payload;
  } catch (error) {
    throw new Refusal(401, 'unauthenticated');
  }
}

async function findOperator(number) {
  let known = operators.get(number);
  if (known?.operator === undefined || performance.now() - known.asked >= 60_000) {
    const asked = performance.now();
    const Key = { operator_id: { N: `${number}` } };
    const found = await db.send(new GetItemCommand({ TableName: env.OPERATORS_TABLE, Key, ConsistentRead: true }));
    known = { asked, operator: found.Item };
    operators.set(number, known);
  }
  return known.operator?.removed?.BOOL ? undefined : known.operator;
}

function read(event) {
  let fields;
  try {
    fields = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, 'base64') : event.body);
  } catch {
    throw new Refusal(400, 'malformed-body');
  }
  if (fields === null || typeof fields !== 'object' || Array.isArray(fields)) throw new Refusal(400, 'malformed-body');
  const wrong = Object.keys(fields).filter((name) => !(name in PATTERNS));
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    if (typeof fields[name] !== 'string' || !pattern.test(fields[name])) wrong.push(name);
  }
  const at = Date.parse(String(fields.datetime).replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  if (!wrong.includes('datetime') && !(at >= PERIOD_START)) wrong.push('datetime');
  if (wrong.length > 0) {
    throw new Refusal(400, 'invalid-fields', { errors: wrong.map((name) => ({ pointer: `/${name}`, message: 'is not valid' })) });
  }
  return { fields, at };
}

const rfc3339 = (at) => new Date(at).toISOString();
const number = (value) => ({ N: `${value}` });

function yearsBefore(at, years) {
  const earlier = new Date(at);
  const day = earlier.getUTCDate();
  earlier.setUTCFullYear(earlier.getUTCFullYear() - years);
  // 29 February became 1 March.
  if (earlier.getUTCDate() !== day) earlier.setUTCDate(0);
  return earlier.getTime();
}

function claimKey(kind, value) {
  const mac = createHmac('sha256', env.CLAIM_PEPPER);
  for (const part of ['long', kind, value].map((text) => Buffer.from(text))) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    mac.update(length).update(part);
  }
  return mac.digest('base64url');
}

// The condition is the eligibility rule, as in shared/registry/src/protocol/register.rs.
function claimUpdate(key, onTruncatedIdentity, application, cutoffs) {
  const latest = [['sd', 'standardized'], ['sp', 'specific']];
  if (onTruncatedIdentity) latest.push(['sdk', 'standardized'], ['spk', 'specific']);
  const conditions = latest.map(([name, cutoff]) => `(attribute_not_exists(${name}) OR ${name} < :${cutoff})`);
  let expression = 'SET #record = :record, v = :stamp, sd = :at';
  const names = { '#record': `a#${application.uuid}` };
  const values = {
    ':record': { M: { t: number(application.datetime), o: number(application.operator) } },
    ':stamp': { B: randomBytes(8) },
    ':at': number(application.datetime),
    ':standardized': number(cutoffs.standardized),
    ':specific': number(cutoffs.specific),
  };
  if (onTruncatedIdentity) {
    conditions.push('(attribute_not_exists(#number) OR #number < :most)');
    expression += ' ADD #number :one';
    names['#number'] = `n#${application.operator}`;
    Object.assign(values, { ':one': number(1), ':most': number(MOST_APPLICATIONS) });
  }
  return {
    Update: {
      TableName: env.CLAIMS_TABLE,
      Key: { pk: { S: key } },
      UpdateExpression: expression,
      ConditionExpression: conditions.join(' AND '),
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    },
  };
}

// The applications on a claim item.
function earlier(item) {
  return Object.entries(item).flatMap(([name, value]) => {
    const [kind, first, second] = name.split('#');
    if (kind === 'a') return [{ at: Number(value.M.t.N), standardized: true, operator: Number(value.M.o.N), uuid: first }];
    if (kind === 'h' || kind === 'c') return [{ at: Number(second), standardized: false, operator: Number(first) }];
    return [];
  });
}

// The refusal for the conditions that failed; nothing if this application was written before.
async function refuse(reasons, application, cutoffs) {
  const lost = reasons.slice(0, 2).filter((reason) => reason.Code === 'ConditionalCheckFailed');
  if (lost.some(({ Item }) => `a#${application.uuid}` in Item)) return undefined;
  const isBlocking = ({ at, standardized }) => at >= (standardized ? cutoffs.standardized : cutoffs.specific);
  const own = ({ operator }) => operator === application.operator;
  const [latest] = lost
    .flatMap(({ Item }) => earlier(Item))
    .filter(isBlocking)
    .sort((one, other) => other.at - one.at || other.standardized - one.standardized || own(other) - own(one));
  if (latest === undefined) return new Refusal(409, 'driver-record-full');
  const members = { datetime: rfc3339(latest.at), reason: latest.standardized ? 'duplicate' : 'history' };
  if (latest.standardized && own(latest)) {
    const Key = { uuid: { S: latest.uuid } };
    const found = await db.send(new GetItemCommand({ TableName: env.APPLICATIONS_TABLE, Key, ConsistentRead: true }));
    const token = found.Item.token.L.map(({ B }) => Buffer.from(B).toString('base64url')).join('.');
    Object.assign(members, { uuid: latest.uuid, token });
  }
  return new Refusal(409, members.reason, members);
}

async function register(event) {
  const caller = await authenticate(event.headers);
  const { fields, at } = read(event);
  const now = Date.now();
  if (now < at + DELAY) throw new Refusal(400, 'too-early', { available_at: rfc3339(at + DELAY) });
  const application = { uuid: randomUUID(), operator: caller.operator_id, datetime: at };
  const cutoffs = {
    standardized: yearsBefore(at, STANDARDIZED_YEARS),
    specific: Math.max(yearsBefore(at, SPECIFIC_YEARS), SPECIFIC_FLOOR),
  };
  const proof = {
    siret: caller.siret,
    journey_type: 'long',
    driving_license: fields.driving_license,
    datetime: rfc3339(at),
    uuid: application.uuid,
    iat: Math.floor(now / 1000),
  };
  const token = await new SignJWT(proof).setProtectedHeader({ typ: 'cee-proof+jwt', alg: 'ES256', kid: proofKid }).sign(proofKey);
  const item = {
    uuid: { S: application.uuid },
    operator_id: number(application.operator),
    journey_type: { S: 'long' },
    last_name_trunc: { S: fields.last_name_trunc },
    phone_trunc: { S: fields.phone_trunc },
    driving_license: { S: fields.driving_license },
    datetime: number(at),
    application_timestamp: number(now),
    registered_at: number(now),
    token: { L: token.split('.').map((part) => ({ B: Buffer.from(part, 'base64url') })) },
  };
  const truncatedIdentity = claimKey('truncated_identity', fields.last_name_trunc + fields.phone_trunc);
  const licence = claimKey('driving_license', fields.driving_license);
  const TransactItems = [
    claimUpdate(truncatedIdentity, true, application, cutoffs),
    claimUpdate(licence, false, application, cutoffs),
    {
      Put: {
        TableName: env.APPLICATIONS_TABLE,
        Item: item,
        ConditionExpression: 'attribute_not_exists(#uuid)',
        ExpressionAttributeNames: { '#uuid': 'uuid' },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    },
  ];
  const until = performance.now() + DEADLINE;
  for (;;) {
    try {
      await db.send(new TransactWriteItemsCommand({ TransactItems }));
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const reasons = error.CancellationReasons;
      if (reasons.every(({ Code }) => Code === 'None' || CONTENTION.has(Code))) {
        if (performance.now() > until) throw new Refusal(503, 'busy');
        await setTimeout(10 + 90 * Math.random());
        continue;
      }
      const refusal = await refuse(reasons, application, cutoffs);
      if (refusal !== undefined) throw refusal;
    }
    return { uuid: application.uuid, journey_type: 'long', datetime: rfc3339(at), token };
  }
}

async function handler(event, requestId) {
  const began = performance.now();
  let status = 201;
  let body;
  try {
    body = await register(event);
  } catch (error) {
    if (error instanceof Refusal) {
      status = error.status;
      body = { type: `#${error.kind}`, title: error.kind, status, ...error.members };
    } else {
      status = 500;
      body = { type: '#internal', title: 'Internal error', status };
      console.error(JSON.stringify({ level: 'ERROR', request_id: requestId, error: error.name }));
    }
  }
  const duration = Math.trunc(performance.now() - began);
  const line = { level: 'INFO', message: 'answered', function: 'register', request_id: requestId, status, duration_ms: duration };
  console.log(JSON.stringify(line));
  const type = status === 201 ? 'application/json' : 'application/problem+json';
  return { statusCode: status, headers: { 'content-type': type }, body: JSON.stringify(body), isBase64Encoded: false };
}

async function main() {
  proofKey = await importPKCS8(env.PROOF_KEY, 'ES256');
  const { kty, crv, x, y } = createPublicKey(env.PROOF_KEY).export({ format: 'jwk' });
  proofKid = await calculateJwkThumbprint({ kty, crv, x, y });
  // The first request opens the connection, so that the first call is as fast as the others.
  await findOperator(1);
  await run(handler);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
