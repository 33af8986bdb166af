/**
 * A bucket of S3, or of anything that speaks its protocol, as a place where the packages lie. It is read only, and not
 * believed: which bytes are right, the manager's own list says.
 *
 * Path-style addresses: every such store understands them, with and without TLS, also by an IP address.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError, toLmsError } from '@lms/errors';
import { AwsClient } from 'aws4fetch';

export interface BucketConfiguration {
  /** https://… or http://…, without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Before each name; empty, or with a slash at its end. */
  readonly prefix: string;
  /** Files `accessKeyId`, `secretAccessKey` and, for credentials that expire, `sessionToken`. Null: whoever asks may read. */
  readonly credentialsFolder: string | null;
  /** `redirect`: machines load from the bucket. `stream`: through the gateway, for machines that reach nothing else. */
  readonly delivery: 'redirect' | 'stream';
}

/** Long enough for a slow line to begin; what has begun goes on. */
const PRESIGNED_SECONDS = 900;
/** Until the answer begins. */
const ANSWER_TIMEOUT_MILLISECONDS = 20_000;

export class Bucket {
  readonly #configuration: BucketConfiguration;

  constructor(configuration: BucketConfiguration) {
    this.#configuration = configuration;
  }

  get delivery(): BucketConfiguration['delivery'] {
    return this.#configuration.delivery;
  }

  /** Good for GET alone, for a quarter of an hour. */
  async presignedUrl(name: string): Promise<string> {
    const { endpoint, bucket, prefix, region, credentialsFolder } = this.#configuration;
    const url = new URL(`${endpoint.replace(/\/$/, '')}/${bucket}/${prefix}${encodeURIComponent(name)}`);
    if (credentialsFolder === null) return url.href;
    url.searchParams.set('X-Amz-Expires', String(PRESIGNED_SECONDS));
    const client = new AwsClient({ ...(await readCredentials(credentialsFolder)), service: 's3', region });
    return (await client.sign(url.href, { method: 'GET', aws: { signQuery: true } })).url;
  }

  /** The object, or the part of it that `range` (as in HTTP) names, which must have this length. */
  async read(name: string, range: string | null, lengthBytes: number, signal: AbortSignal): Promise<ReadableStream> {
    const answer = await this.#ask(await this.presignedUrl(name), range, signal);
    const length = Number(answer.headers.get('content-length') ?? NaN);
    if (answer.status === (range === null ? 200 : 206) && length === lengthBytes && answer.body !== null) {
      return answer.body;
    }
    await answer.body?.cancel();
    throw this.#refusal(name, answer.status, length, lengthBytes);
  }

  async #ask(url: string, range: string | null, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ANSWER_TIMEOUT_MILLISECONDS);
    try {
      return await fetch(url, {
        headers: range === null ? {} : { range },
        redirect: 'error',
        signal: AbortSignal.any([signal, late.signal]),
      });
    } catch (thrown) {
      signal.throwIfAborted();
      const why = toLmsError((thrown as Error).cause ?? thrown).message;
      throw new LmsError('UNAVAILABLE', `the store of agent packages at ${this.#place} does not answer: ${why}`, {
        action: 'see that the manager reaches it, and that its address is right',
        cause: thrown,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  get #place(): string {
    const { endpoint, bucket } = this.#configuration;
    return `${new URL(endpoint).host}/${bucket}`;
  }

  #refusal(name: string, status: number, length: number, expected: number): LmsError {
    const { prefix } = this.#configuration;
    if (status === 404) {
      return new LmsError('UNAVAILABLE', `the store of agent packages at ${this.#place} has no ${prefix}${name}`, {
        action: 'put it there: the packages of this manager are what `make agent-package` has made of its version',
      });
    }
    if (status === 401 || status === 403) {
      return new LmsError(
        'UNAVAILABLE',
        `the store of agent packages at ${this.#place} refuses the manager (${status})`,
        {
          action: "see its credentials and region, the bucket's policy, and the manager's clock",
        },
      );
    }
    const what = status >= 300 ? `answered ${status}` : `has ${length} bytes where ${expected} were expected`;
    return new LmsError('UNAVAILABLE', `the store of agent packages at ${this.#place} ${what} for ${prefix}${name}`, {
      action: 'put the package of this version there',
    });
  }
}

/** Read each time: whoever changes them restarts nothing. */
async function readCredentials(folder: string) {
  const read = async (name: string): Promise<string> => (await readFile(join(folder, name), 'utf8')).trim();
  try {
    const [accessKeyId, secretAccessKey] = await Promise.all([read('accessKeyId'), read('secretAccessKey')]);
    const sessionToken = await read('sessionToken').catch(() => '');
    return { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) };
  } catch (thrown) {
    throw new LmsError('UNAVAILABLE', `the credentials of the store of agent packages cannot be read in ${folder}`, {
      action: 'it needs the files accessKeyId and secretAccessKey',
      cause: thrown,
    });
  }
}
