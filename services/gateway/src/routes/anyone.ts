/** What anybody may ask: the CA, health, the description of all this, enrolling, and access tokens. */
import {
  AccessTokenAnswer,
  AccessTokenRequest,
  CertificateAuthorityAnswer,
  EnrolAgentAnswer,
  EnrolAgentRequest,
  EnrolReplicationServerAnswer,
  EnrolReplicationServerRequest,
  HealthAnswer,
} from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import { CLOCK_TOLERANCE_SECONDS, ASSERTION_LIFE_SECONDS, ReplayCache, verifyAssertion } from '@lms/identity';
import { z } from 'zod';
import { issueAccessToken } from '../access/access-token.ts';
import { RefusedCalls } from '../access/refused-calls.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { reportedDisk } from '../translation/machine.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'anyone' } as const;
/** As long as an assertion could be accepted at all, clocks to either side included. */
const REPLAY_SECONDS = ASSERTION_LIFE_SECONDS + 2 * CLOCK_TOLERANCE_SECONDS;

/** A registry that is away must not keep statistics and logs waiting. */
const REMOVAL_CHECK_MILLISECONDS = 2_000;

export function addAnyoneRoutes(application: Application, context: RouteContext): void {
  const { clients, trust, logger } = context;
  const { registry } = clients;
  const replays = new ReplayCache(REPLAY_SECONDS);
  const refusedCalls = new RefusedCalls(clients.statistics, logger);

  application.get(
    '/v1/ca',
    { config, schema: { summary: "The manager's CA", response: answers(CertificateAuthorityAnswer) } },
    async () => ({ certificatePem: trust.caPem, sha256: trust.caSha256 }),
  );

  application.get(
    '/v1/health',
    { config, schema: { summary: 'Whether this gateway answers', response: answers(HealthAnswer) } },
    async () => ({ healthy: true }),
  );

  const description = z.record(z.string(), z.unknown());
  application.get(
    '/v1/openapi.json',
    { config, schema: { summary: 'This interface, as OpenAPI 3.1', response: answers(description) } },
    async () => ({ ...application.swagger() }),
  );

  application.post(
    '/v1/agent/enrol',
    {
      config,
      schema: { summary: 'Enrol an agent', body: EnrolAgentRequest, response: answers(EnrolAgentAnswer) },
    },
    async ({ body }) =>
      registry.enrolMachine({
        token: body.token,
        csrPem: body.csrPem,
        name: body.name,
        agentVersion: body.version,
        disks: body.disks.map(reportedDisk),
        inventoryJson: JSON.stringify(body.inventory),
      }),
  );

  application.post(
    '/v1/replication-server/enrol',
    {
      config,
      schema: {
        summary: 'Enrol a replication server',
        body: EnrolReplicationServerRequest,
        response: answers(EnrolReplicationServerAnswer),
      },
    },
    async ({ body }) => registry.enrolReplicationServer(body),
  );

  /** REMOVED: so an agent is kept out of everything within the life of an access token, and not of heartbeats only. */
  async function refuseRemoved(machineId: string): Promise<void> {
    try {
      await registry.getMachine({ idOrName: machineId }, { deadlineMilliseconds: REMOVAL_CHECK_MILLISECONDS });
    } catch (thrown) {
      const error = toLmsError(thrown);
      if (error.code === 'REMOVED') throw error;
      // One that is not known registers anew; and a registry that is away says it at the next heartbeat.
      if (error.code !== 'NOT_FOUND') logger.debug({ code: error.code, machineId }, error.message);
    }
  }

  for (const kind of ['machine', 'replication-server'] as const) {
    const path = kind === 'machine' ? '/v1/agent/token' : '/v1/replication-server/token';
    application.post(
      path,
      {
        config,
        schema: {
          summary: 'Exchange a signed assertion for an access token',
          body: AccessTokenRequest,
          response: answers(AccessTokenAnswer),
        },
      },
      async ({ body, callerAddress }) => {
        const now = new Date();
        const { caPem, caSha256, trustDomain } = trust;
        const checker = { caPem, caSha256, trustDomain, replays, now };
        const asserted = await verifyAssertion(body.assertion, checker).catch(async (thrown: unknown) => {
          await refusedCalls.tell(body.assertion, checker, toLmsError(thrown), callerAddress);
          throw thrown;
        });
        if (asserted.identity.kind !== kind) {
          throw new LmsError('PERMISSION_DENIED', `a ${asserted.identity.kind} gets its access token elsewhere`);
        }
        if (kind === 'machine') await refuseRemoved(asserted.identity.id);
        return issueAccessToken(trust, asserted, now);
      },
    );
  }
}
