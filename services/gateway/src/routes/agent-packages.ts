/**
 * The agent, for machines that have none yet. Anybody may ask: there is no secret in it, and a machine that is about to join
 * has no credential. What comes is checked by SHA-256, against the list here.
 */
import { AgentPackagesAnswer, Problem } from '@lms/api';
import { PRODUCT_VERSION } from '@lms/rpc';
import { z } from 'zod';
import { INSTALL_SCRIPT, INSTALL_SCRIPT_PATH, INSTALL_SCRIPT_SHA256 } from '../agent-packages/install-command.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { callerSignal } from '../http/caller-signal.ts';
import { RangeHeaders, lengthHeaders, rangeOf, reprDigest } from '../http/ranges.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'anyone' } as const;
const response = answers(z.string());
/** A stream is sent as it is; an empty answer has nothing to be checked. */
const bytes = z.unknown();
const packageResponse = { 200: bytes, 206: bytes, 304: bytes, 307: bytes, '4xx': Problem, '5xx': Problem };
const params = z.object({ name: z.string().max(256) });
const headers = RangeHeaders.extend({
  'if-none-match': z.string().max(1_024).optional(),
});
const PACKAGE_PATH = '/v1/agent/packages/:name';
/** A reader that takes nothing for so long is gone. */
const IDLE_MILLISECONDS = 60_000;

export function addAgentPackageRoutes(application: Application, { trust, packages, stopping }: RouteContext): void {
  application.get(
    '/v1/ca.pem',
    { config, schema: { summary: "The manager's CA, as a file for curl and wget", response } },
    async (_request, reply) => reply.type('application/x-pem-file').send(trust.caPem),
  );

  application.get(
    INSTALL_SCRIPT_PATH,
    { config, schema: { summary: 'The script that installs an agent', response } },
    async (_request, reply) =>
      reply.type('text/x-shellscript; charset=utf-8').header('etag', `"${INSTALL_SCRIPT_SHA256}"`).send(INSTALL_SCRIPT),
  );

  application.get(
    '/v1/agent/packages',
    { config, schema: { summary: 'The agent packages that there are', response: answers(AgentPackagesAnswer) } },
    async () => ({
      packages: (await packages.list(stopping)).map(({ name, version, platform, sizeBytes, sha256 }) => {
        return { name, version, platform, sizeBytes, sha256 };
      }),
    }),
  );

  application.get(
    '/v1/agent/SHA256SUMS',
    { config, schema: { summary: "Those of this manager's version, for sha256sum", response } },
    async (_request, reply) => {
      const listed = (await packages.list(stopping)).filter(({ version }) => version === PRODUCT_VERSION);
      return reply.type('text/plain').send(listed.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join(''));
    },
  );

  application.head(
    PACKAGE_PATH,
    { config, schema: { summary: 'Size and SHA-256 of a package', params, headers, response: packageResponse } },
    async (request, reply) => {
      const found = await packages.find(request.params.name, stopping);
      reply.raw.writeHead(200, { ...packageHeaders(found.sha256), ...lengthHeaders(null, found.sizeBytes) }).end();
      reply.hijack();
    },
  );

  application.get(
    PACKAGE_PATH,
    {
      config,
      schema: {
        summary: 'A package; with Range the part from there on',
        description:
          'Where the packages lie in a bucket, the answer may be 307 to a place there that is good for 15 minutes.',
        params,
        headers,
        response: packageResponse,
      },
    },
    async (request, reply) => {
      const found = await packages.find(request.params.name, stopping);
      const etag = `"${found.sha256}"`;
      void reply.headers(packageHeaders(found.sha256));
      if (request.headers['if-none-match']?.includes(etag) === true) return reply.code(304).send(null);
      const range = rangeOf(request.headers, { etag, sizeBytes: found.sizeBytes }, reply);
      const delivery = await packages.open(found, range, AbortSignal.any([callerSignal(reply), stopping]));
      // A place that is good for minutes only must not be kept.
      if (delivery.kind === 'redirect')
        return reply.removeHeader('etag').header('cache-control', 'no-store').redirect(delivery.url, 307);
      reply.raw.setTimeout(IDLE_MILLISECONDS, () => reply.raw.destroy());
      void reply.code(range === null ? 200 : 206).headers(lengthHeaders(range, found.sizeBytes));
      return reply.send(delivery.stream);
    },
  );
}

function packageHeaders(sha256: string) {
  return {
    'content-type': 'application/gzip',
    etag: `"${sha256}"`,
    // What is compressed on the way would have other places and another length.
    'cache-control': 'no-cache, no-transform',
    'repr-digest': reprDigest(sha256),
  };
}
