// Asks Lambda's Runtime API for work and answers it, as Lambda's own runtime client does.

import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path, body) {
  const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const asked = request({ agent, hostname, port, method, path: `/2018-06-01/runtime/invocation/${path}`, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

export async function run(handler) {
  for (;;) {
    const { headers, body } = await ask('GET', 'next');
    const requestId = headers['lambda-runtime-aws-request-id'];
    const answer = await handler(JSON.parse(body), requestId);
    await ask('POST', `${requestId}/response`, JSON.stringify(answer));
  }
}
