/** What an agent asks of the manager. */
import type { Agent } from 'undici';
import {
  AccessTokenAnswer,
  CommandsAnswer,
  Empty,
  EnrolAgentAnswer,
  HeartbeatAnswer,
  RenewCertificateAnswer,
  type AgentStatistics,
  type CommandResult,
  type EnrolAgentRequest,
  type HeartbeatRequest,
  type LogRecord,
} from '../schemas/index.ts';
import { ApiClient } from './api-client.ts';
import { accessTokenAuthorization } from './authorization.ts';
import { createDispatcher } from './trust.ts';

/** On top of what the manager waits itself. */
export const LONG_POLL_MARGIN_MILLISECONDS = 10_000;

export interface CallerOptions {
  readonly managerUrl: string;
  readonly caPem: string;
  /** Makes a new assertion with the caller's own key and present certificate (`makeAssertion` of @lms/identity). */
  readonly signAssertion: () => Promise<string>;
  readonly retries?: number;
}

/** The one request that is made without a certificate. Not repeated by itself: a token may be used up by the first attempt. */
export async function enrolAgent(
  managerUrl: string,
  caPem: string,
  request: EnrolAgentRequest,
  signal: AbortSignal,
): Promise<EnrolAgentAnswer> {
  const dispatcher = createDispatcher(caPem);
  try {
    const client = new ApiClient({ managerUrl, dispatcher });
    return await client.call({
      method: 'POST',
      path: '/v1/agent/enrol',
      body: request,
      answer: EnrolAgentAnswer,
      signal,
    });
  } finally {
    await dispatcher.destroy();
  }
}

export class AgentApi {
  private readonly dispatcher: Agent;
  private readonly client: ApiClient;

  constructor(options: CallerOptions) {
    this.dispatcher = createDispatcher(options.caPem);
    this.client = certifiedClient(options, this.dispatcher, '/v1/agent/token');
  }

  heartbeat(request: HeartbeatRequest, signal: AbortSignal): Promise<HeartbeatAnswer> {
    const path = '/v1/agent/heartbeat';
    return this.client.call({ method: 'POST', path, body: request, answer: HeartbeatAnswer, signal, repeatable: true });
  }

  /** Waits up to `waitSeconds` (at most 25) for commands other than those `known`. */
  commands(waitSeconds: number, known: readonly string[], signal: AbortSignal): Promise<CommandsAnswer> {
    return this.client.call({
      method: 'GET',
      path: '/v1/agent/commands',
      query: { wait: waitSeconds, known: known.length === 0 ? undefined : known.join(',') },
      answer: CommandsAnswer,
      signal,
      timeoutMilliseconds: waitSeconds * 1_000 + LONG_POLL_MARGIN_MILLISECONDS,
    });
  }

  async commandResult(commandId: string, result: CommandResult, signal: AbortSignal): Promise<void> {
    const path = `/v1/agent/commands/${encodeURIComponent(commandId)}/result`;
    await this.client.call({ method: 'POST', path, body: result, answer: Empty, signal, repeatable: true });
  }

  async statistics(batch: readonly AgentStatistics[], signal: AbortSignal): Promise<void> {
    const path = '/v1/agent/statistics';
    const body = { batch, sentAt: new Date().toISOString() };
    await this.client.call({ method: 'POST', path, body, answer: Empty, signal, repeatable: true });
  }

  async logs(batch: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const path = '/v1/agent/logs';
    await this.client.call({ method: 'POST', path, body: { batch }, answer: Empty, signal, repeatable: true });
  }

  renewCertificate(csrPem: string, signal: AbortSignal): Promise<RenewCertificateAnswer> {
    const path = '/v1/agent/certificate';
    const body = { csrPem };
    return this.client.call({ method: 'POST', path, body, answer: RenewCertificateAnswer, signal, repeatable: true });
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }
}

/** A client whose access tokens come from `tokenPath` by signed assertion. */
export function certifiedClient(options: CallerOptions, dispatcher: Agent, tokenPath: string): ApiClient {
  const { managerUrl } = options;
  const retries = options.retries === undefined ? {} : { retries: options.retries };
  const anonymous = new ApiClient({ managerUrl, dispatcher, retries: 0 });
  const authorization = accessTokenAuthorization(async (signal) => {
    const body = { assertion: await options.signAssertion() };
    return anonymous.call({ method: 'POST', path: tokenPath, body, answer: AccessTokenAnswer, signal });
  });
  return new ApiClient({ managerUrl, dispatcher, authorization, ...retries });
}
