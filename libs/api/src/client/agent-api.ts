/** What an agent asks of the manager. */
import type { ProxySettings } from '@lms/proxy';
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
import { ManagerWay } from './manager-way.ts';
import { createDispatcher } from './trust.ts';

/** On top of what the manager waits itself. */
export const LONG_POLL_MARGIN_MILLISECONDS = 10_000;

export interface CallerOptions {
  readonly managerUrl: string;
  readonly caPem: string;
  /** Makes a new assertion with the caller's own key and present certificate (`makeAssertion` of @lms/identity). */
  readonly signAssertion: () => Promise<string>;
  readonly retries?: number;
  /** Default: none, directly. */
  readonly proxy?: ProxySettings | null;
}

/** The one request that is made without a certificate. Not repeated by itself: a token may be used up by the first attempt. */
export async function enrolAgent(
  managerUrl: string,
  caPem: string,
  request: EnrolAgentRequest,
  signal: AbortSignal,
  proxy: ProxySettings | null = null,
): Promise<EnrolAgentAnswer> {
  const dispatcher = createDispatcher(caPem, proxy, signal);
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
  private readonly way: ManagerWay;
  private readonly client: ApiClient;

  constructor(options: CallerOptions) {
    this.way = new ManagerWay(options.caPem, options.proxy ?? null);
    this.client = certifiedClient(options, this.way, '/v1/agent/token');
  }

  /** Takes another way from now on, without trying it. Requests under way are given up: whoever sent them repeats them. */
  changeProxy(proxy: ProxySettings | null): void {
    this.way.change(proxy, 'give-up');
  }

  /** Resolves when the manager has answered on the present way, and accepts who is asking. Changes nothing there. */
  authenticate(signal: AbortSignal): Promise<void> {
    return this.client.authenticate(signal);
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
    await this.way.close();
  }
}

/** A client whose access tokens come from `tokenPath` by signed assertion. */
export function certifiedClient(options: CallerOptions, way: ManagerWay, tokenPath: string): ApiClient {
  const { managerUrl } = options;
  const retries = options.retries === undefined ? {} : { retries: options.retries };
  const anonymous = new ApiClient({ managerUrl, dispatcher: () => way.dispatcher, retries: 0 });
  const authorization = accessTokenAuthorization(async (signal) => {
    const body = { assertion: await options.signAssertion() };
    return anonymous.call({ method: 'POST', path: tokenPath, body, answer: AccessTokenAnswer, signal });
  });
  return new ApiClient({ managerUrl, dispatcher: () => way.dispatcher, authorization, ...retries });
}
