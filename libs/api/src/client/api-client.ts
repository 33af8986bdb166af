/**
 * Requests to the manager's REST interface: bounded in time and in size, retried where that is safe, answers checked.
 *
 * Mechanism: a call is retried only when the caller says that doing it twice does no harm and the failure is one that may
 * pass (`LmsError.retryable`). An access token that is not accepted is thrown away and fetched anew, once.
 */
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { LmsError } from '@lms/errors';
import pRetry from 'p-retry';
import { request, type Dispatcher } from 'undici';
import type { z } from 'zod';
import { failureOfAnswer, failureOfConnection } from './failure.ts';

const compress = promisify(zstdCompress);

/** One answer of the manager is never longer: 1,000 machines of 64 disks stay below. */
const MAXIMUM_ANSWER_BYTES = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT_MILLISECONDS = 30_000;
/** Below this, compression costs more than it saves. */
const COMPRESS_FROM_BYTES = 1_024;
const DEFAULT_RETRIES = 3;
const FIRST_RETRY_MILLISECONDS = 200;
const LONGEST_RETRY_MILLISECONDS = 2_000;

/** A download that brings nothing for so long has lost its other end. */
const IDLE_DOWNLOAD_MILLISECONDS = 120_000;

/** Gives the value of `Authorization`, and forgets one that was not accepted. */
export interface Authorization {
  header(signal: AbortSignal): Promise<string>;
  /** Called after a 401; true when `header` may give another one. */
  reject(): boolean;
}

export interface ApiClientOptions {
  /** `https://host:port`. */
  readonly managerUrl: string;
  /** A function is asked for each request: the way to the manager may change. */
  readonly dispatcher: Dispatcher | (() => Dispatcher);
  readonly authorization?: Authorization;
  /** Of a call that may be repeated; default 3. */
  readonly retries?: number;
}

export interface ApiCall<Answer extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answer: Answer;
  readonly signal?: AbortSignal;
  /** Default 30 s, for each attempt. */
  readonly timeoutMilliseconds?: number;
  /** Doing it twice does no harm. Default: GET and DELETE. */
  readonly repeatable?: boolean;
}

export interface Download {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Its failure, always an `LmsError`, means that it is not whole. */
  readonly body: AsyncIterable<Uint8Array>;
}

const NEVER = new AbortController().signal;

export class ApiClient {
  readonly managerUrl: string;
  private readonly options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.managerUrl = managerOrigin(options.managerUrl);
    this.options = options;
  }

  async call<Answer extends z.ZodType>(call: ApiCall<Answer>): Promise<z.output<Answer>> {
    const repeatable = call.repeatable ?? (call.method === 'GET' || call.method === 'DELETE');
    const body = await encodeBody(call.body);
    const attempt = (): Promise<z.output<Answer>> => this.once(call, body);
    if (!repeatable) return attempt();
    const signal = call.signal ?? NEVER;
    const repeated = pRetry(attempt, {
      retries: this.options.retries ?? DEFAULT_RETRIES,
      minTimeout: FIRST_RETRY_MILLISECONDS,
      maxTimeout: LONGEST_RETRY_MILLISECONDS,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => error instanceof LmsError && error.retryable,
    });
    return repeated.catch((thrown: unknown) => {
      throw failureOfConnection(thrown, this.managerUrl, signal);
    });
  }

  /** Gets what says who is asking, where that has to be got from the manager. */
  async authenticate(signal: AbortSignal): Promise<void> {
    await this.options.authorization?.header(signal);
  }

  /** The body as it comes; no limit of time for the whole, since it is as long as a disk. */
  async download(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Download> {
    const timeouts = { headersTimeout: IDLE_DOWNLOAD_MILLISECONDS, bodyTimeout: IDLE_DOWNLOAD_MILLISECONDS };
    const answer = await this.send({ method: 'GET', path, headers, body: null, signal, ...timeouts });
    return { status: answer.statusCode, headers: answer.headers, body: this.bodyOf(answer, signal) };
  }

  /** What a download would begin with. */
  async head(path: string, signal: AbortSignal): Promise<Download['headers']> {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(DEFAULT_TIMEOUT_MILLISECONDS)]);
    const answer = await this.send({ method: 'HEAD', path, headers: {}, body: null, signal: timeout, bodyTimeout: 0 });
    await answer.body.dump();
    return answer.headers;
  }

  /** Sends a stream; ends when the manager has taken all of it and answered. */
  async upload<Answer extends z.ZodType>(
    path: string,
    body: AsyncIterable<Uint8Array>,
    headers: Readonly<Record<string, string>>,
    answer: Answer,
    signal: AbortSignal,
  ): Promise<z.output<Answer>> {
    const sent = await this.send({
      method: 'PUT',
      path,
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: body,
      signal,
      bodyTimeout: 0,
    });
    return this.parse(answer, await readText(sent.body, `PUT ${path}`), `PUT ${path}`);
  }

  private async *bodyOf({ body }: Dispatcher.ResponseData, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of body) yield part as Uint8Array;
    } catch (thrown) {
      throw failureOfConnection(thrown, this.managerUrl, signal);
    }
  }

  private async once<Answer extends z.ZodType>(call: ApiCall<Answer>, body: EncodedBody): Promise<z.output<Answer>> {
    const timeout = AbortSignal.timeout(call.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    const where = `${call.method} ${call.path}`;
    try {
      const answer = await this.send({
        method: call.method,
        path: call.path + encodeQuery(call.query),
        headers: { ...call.headers, ...body.headers },
        body: body.bytes,
        signal,
        bodyTimeout: DEFAULT_TIMEOUT_MILLISECONDS,
      });
      return this.parse(call.answer, await readText(answer.body, where), where);
    } catch (thrown) {
      throw failureOfConnection(thrown, this.managerUrl, signal);
    }
  }

  private async send(options: {
    readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE' | 'PATCH' | 'PUT';
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
    readonly signal: AbortSignal;
    readonly bodyTimeout: number;
    /** Default: none, since the signal has one. */
    readonly headersTimeout?: number;
  }): Promise<Dispatcher.ResponseData> {
    const { method, path, signal, bodyTimeout, headersTimeout = 0 } = options;
    const { dispatcher } = this.options;
    // A stream can be sent only once.
    const attempts = options.body instanceof Uint8Array || options.body === null ? 2 : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        const authorization = await this.options.authorization?.header(signal);
        const headers = { ...options.headers, ...(authorization === undefined ? {} : { authorization }) };
        const answer = await request(this.managerUrl + path, {
          method,
          headers,
          body:
            options.body instanceof Uint8Array || options.body === null ? options.body : Readable.from(options.body),
          signal,
          dispatcher: typeof dispatcher === 'function' ? dispatcher() : dispatcher,
          bodyTimeout,
          headersTimeout,
        });
        if (answer.statusCode < 300) return answer;
        const text = await readText(answer.body, path);
        if (answer.statusCode === 401 && attempt < attempts && this.options.authorization?.reject() === true) continue;
        throw failureOfAnswer(answer.statusCode, text, `${this.managerUrl}${path}`);
      } catch (thrown) {
        throw failureOfConnection(thrown, this.managerUrl, signal);
      }
    }
  }

  private parse<Answer extends z.ZodType>(schema: Answer, text: string, where: string): z.output<Answer> {
    const parsed = schema.safeParse(text === '' ? {} : jsonOf(text, where));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new LmsError('PROTOCOL_VIOLATION', `${where}: the answer is not understood: ${issue?.message ?? ''}`, {
      field: issue?.path.join('.') ?? '',
      action: 'check that client and manager are of versions that go together',
    });
  }
}

interface EncodedBody {
  readonly bytes: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
}

async function encodeBody(body: unknown): Promise<EncodedBody> {
  if (body === undefined) return { bytes: null, headers: {} };
  const plain = Buffer.from(JSON.stringify(body));
  const headers = { 'content-type': 'application/json' };
  if (plain.length < COMPRESS_FROM_BYTES) return { bytes: plain, headers };
  return { bytes: await compress(plain), headers: { ...headers, 'content-encoding': 'zstd' } };
}

function encodeQuery(query: ApiCall<z.ZodType>['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

async function readText(body: AsyncIterable<Uint8Array>, where: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > MAXIMUM_ANSWER_BYTES) throw new LmsError('RESOURCE_EXHAUSTED', `${where}: the answer is too long`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function jsonOf(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LmsError('PROTOCOL_VIOLATION', `${where}: the answer is no JSON`, { cause: error });
  }
}

/** Origin of a manager's URL; INVALID_ARGUMENT unless it is https and has no path. */
export function managerOrigin(url: string): string {
  if (!URL.canParse(url)) {
    throw new LmsError('INVALID_ARGUMENT', `${url} is no URL`, {
      field: 'managerUrl',
      action: 'give https://host:port',
    });
  }
  const parsed = new URL(url);
  if (parsed.protocol !== 'https:') {
    throw new LmsError('INVALID_ARGUMENT', `the manager's URL must begin with https://, not ${parsed.protocol}//`, {
      field: 'managerUrl',
    });
  }
  return parsed.origin;
}
