/**
 * HTTP to the API server, with the credentials of @kubernetes/client-node's KubeConfig and connections of our own.
 *
 * Its generated clients open a TLS connection for each call, which at thousands of machines costs more than the calls
 * themselves; here a few are kept. Credentials are asked for anew every half minute: a mounted token is replaced hourly.
 */
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { LmsError, toLmsError } from '@lms/errors';
import { Agent, request, type Dispatcher } from 'undici';
import { ApiFailure } from './api-failure.ts';

const CREDENTIALS_FRESH_MILLISECONDS = 30_000;
const REQUEST_TIMEOUT_MILLISECONDS = 20_000;
const CONNECT_TIMEOUT_MILLISECONDS = 5_000;
/** The server ends a watch before that: one that is silent for longer is dead. */
const WATCH_SILENCE_MILLISECONDS = 150_000;
/** Writers, renewal of the lease, and a watch for each kind, with some to spare. */
const CONNECTIONS_MAX = 96;

export type Query = Readonly<Record<string, string>>;

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Default: application/json. */
  readonly contentType?: string;
  readonly signal: AbortSignal;
  /** Default: 20 s. */
  readonly timeoutMilliseconds?: number;
}

interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
  readonly readAt: number;
}

/** What the library falls back to when it finds nothing at all. */
const NOWHERE = 'http://localhost:8080';

/** From KUBECONFIG, ~/.kube/config, or the pod's service account, in this order. */
export async function loadKubeConfig(): Promise<KubeConfig> {
  const { KubeConfig: Config } = await import('@kubernetes/client-node');
  const config = new Config();
  config.loadFromDefault();
  if (config.getCurrentCluster()?.server === NOWHERE) throw noCluster();
  return config;
}

function noCluster(): LmsError {
  return new LmsError(
    'INVALID_ARGUMENT',
    'no cluster is configured: there is no service account token and no kubeconfig',
    {
      action: 'Run this in a pod whose service account token is mounted, or set KUBECONFIG.',
    },
  );
}

export class ApiConnection {
  readonly #config: KubeConfig;
  readonly #agents = new Map<string, Agent>();
  #credentials: Credentials | null = null;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  /** The answer's JSON. Rejects with an `ApiFailure` when the server refuses, else with an `LmsError`. */
  async send(options: ApiRequest): Promise<unknown> {
    const { method, path, signal, timeoutMilliseconds = REQUEST_TIMEOUT_MILLISECONDS } = options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMilliseconds)]);
    const response = await this.#open({ ...options, signal: limit });
    const what = `${method} ${path}`;
    try {
      return await response.body.json();
    } catch (thrown) {
      throw unreachable(thrown, what, signal);
    }
  }

  /** One JSON document a line, until the server ends it. */
  async *stream(options: ApiRequest): AsyncGenerator<string> {
    const { body } = await this.#open(options);
    let rest = '';
    try {
      for await (const piece of body.setEncoding('utf8')) {
        const lines = (rest + String(piece)).split('\n');
        rest = lines.pop() ?? '';
        yield* lines.filter((line) => line !== '');
      }
    } catch (thrown) {
      throw unreachable(thrown, `watch of ${options.path}`, options.signal);
    } finally {
      body.destroy();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  async #open({ method, path, query, body, contentType, signal }: ApiRequest): Promise<Dispatcher.ResponseData> {
    const what = `${method} ${path}`;
    const { headers, agent } = await this.#authenticate();
    let response: Dispatcher.ResponseData;
    try {
      response = await request(`${this.#server}${path}`, {
        method,
        dispatcher: agent,
        query: { ...query },
        headers: {
          ...headers,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': contentType ?? 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal,
      });
    } catch (thrown) {
      throw unreachable(thrown, what, signal);
    }
    // Whoever reads it is told of its failure; one that fails when nobody reads it any more is nobody's business.
    response.body.on('error', () => undefined);
    if (response.statusCode < 300) return response;
    throw new ApiFailure(what, response.statusCode, await response.body.text());
  }

  get #server(): string {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw noCluster();
    return cluster.server;
  }

  async #authenticate(): Promise<Credentials> {
    const now = performance.now();
    if (this.#credentials !== null && now - this.#credentials.readAt < CREDENTIALS_FRESH_MILLISECONDS) {
      return this.#credentials;
    }
    const options: RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
    this.#credentials = { headers, agent: this.#agentFor(options), readAt: now };
    return this.#credentials;
  }

  /** A CA or client certificate that was replaced needs connections of its own; old ones end with what they carry. */
  #agentFor({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): Agent {
    const identity = [ca, cert, key, servername, rejectUnauthorized].map(String).join('\n');
    const known = this.#agents.get(identity);
    if (known !== undefined) return known;
    for (const agent of this.#agents.values()) void agent.close();
    this.#agents.clear();
    const agent = new Agent({
      // HTTP/2 would put every watch and every call on one connection, and share its end and its flow control.
      allowH2: false,
      connections: CONNECTIONS_MAX,
      bodyTimeout: WATCH_SILENCE_MILLISECONDS,
      connect: {
        timeout: CONNECT_TIMEOUT_MILLISECONDS,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(servername !== undefined && { servername }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      },
    });
    this.#agents.set(identity, agent);
    return agent;
  }
}

function unreachable(thrown: unknown, what: string, signal: AbortSignal): LmsError {
  if (signal.aborted) return toLmsError(signal.reason, what);
  const { code, message } = toLmsError(thrown);
  const transient = code === 'INTERNAL' ? 'UNAVAILABLE' : code;
  return new LmsError(transient, `${what}: the API server cannot be reached: ${message}`, { cause: thrown });
}
