// Runs inside the cluster, alone in its file: keeps what is posted to /v1/traces, and gives it back on GET /traces.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const bodies: string[] = [];

createServer((request, response) => {
  void (async () => {
    const body = await text(request);
    if (request.method === 'POST' && request.url === '/v1/traces') bodies.push(body);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(request.method === 'GET' && request.url === '/traces' ? JSON.stringify(bodies) : '{}');
  })();
}).listen(4318);
