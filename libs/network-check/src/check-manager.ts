/**
 * The way to the manager on 443, from an agent or a replication server.
 *
 * Mechanism: one connection, looked at as it is built, then used for a few requests that anybody may make; only after the
 * other end has proved to be the manager is the own certificate shown. Special cases: where only the hash of the manager's CA is
 * known, the CA is fetched as enrolment does it. A certificate that is not believed is looked behind with one public request:
 * whether the manager is there nevertheless (somebody re-signs TLS), and what time it has there.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { CheckReport } from '@lms/api';
import { parseCertificate } from '@lms/identity';
import { hostOfUrl, isBypassed } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import { DEFAULT_CHECK_LIMITS } from './limits.ts';
import type { CheckLimits } from './limits.ts';
import { CheckEnded, ReportBuilder } from './report/report-builder.ts';
import { StepFailure } from './report/step-failure.ts';
import { isInForce, isIssuedBy, judgeCertificate } from './steps/certificate-verdict.ts';
import type { CertificateVerdict } from './steps/certificate-verdict.ts';
import { MOST_SKEW_MILLISECONDS, clockSkewMilliseconds, describeSkew, judgeSkew, skewOutcome } from './steps/clock.ts';
import { describeHandshake, nameOf, shakeHands } from './steps/handshake.ts';
import type { Handshake } from './steps/handshake.ts';
import { HttpExchange } from './steps/http-exchange.ts';
import type { HttpAnswer } from './steps/http-exchange.ts';
import { readAuthority, readRefusal } from './steps/manager-answer.ts';
import { requireInForce } from './steps/own-certificate.ts';
import { describePathMtu, orPathMtu } from './steps/path-mtu.ts';
import { throughputOutcome } from './steps/throughput.ts';
import type { Transfer } from './steps/throughput.ts';
import { findWay } from './way.ts';
import type { Way } from './way.ts';

export interface ManagerCheck {
  readonly from: CheckReport['from'];
  /** `https://host:port`. */
  readonly managerUrl: string;
  /** Hex SHA-256 of the manager's CA, and the CA itself where it is known. */
  readonly caSha256: string;
  readonly caPem: string | null;
  readonly proxy: ProxySettings | null;
  /** null: not enrolled; the check then ends before it shows a certificate. */
  readonly identity: ManagerIdentity | null;
  readonly limits?: Partial<CheckLimits>;
  readonly signal: AbortSignal;
}

export interface ManagerIdentity {
  readonly certificatePem: string;
  /** Where an assertion is exchanged: `/v1/agent/token`. */
  readonly tokenPath: string;
  readonly signAssertion: () => Promise<string>;
}

const AUTHORITY = { method: 'GET', path: '/v1/ca' } as const;
/** Public, and some ten packets long. */
const DESCRIPTION = { method: 'GET', path: '/v1/openapi.json' } as const;
/** Fills more than one packet, and less than any server allows of headers. */
const PADDING = 'x'.repeat(4_000);
const MAXIMUM_DOWNLOADS = 8;
/** Enough to tell a line that is too slow for what goes over 443. */
const MAXIMUM_DOWNLOAD_BYTES = 1024 * 1024;

export async function checkManager(options: ManagerCheck): Promise<CheckReport> {
  const check = new CheckOfManager(options);
  try {
    await check.run();
  } catch (thrown) {
    if (!(thrown instanceof CheckEnded)) throw thrown;
  }
  return check.report();
}

class CheckOfManager {
  readonly #options: ManagerCheck;
  readonly #limits: CheckLimits;
  readonly #origin: string;
  readonly #host: string;
  readonly #port: number;
  readonly #proxy: ProxySettings | null;
  readonly #builder: ReportBuilder;

  constructor(options: ManagerCheck) {
    const { from, managerUrl, proxy, signal } = options;
    const { host, port } = hostOfUrl(managerUrl);
    this.#options = options;
    this.#limits = { ...DEFAULT_CHECK_LIMITS, ...options.limits };
    this.#origin = new URL(managerUrl).origin;
    this.#host = host;
    this.#port = port;
    this.#proxy = proxy === null || isBypassed(host, port, proxy.noProxy) ? null : proxy;
    const subject = { target: '443', from, to: this.#origin, proxy: this.#proxy?.url ?? null, at: new Date() } as const;
    this.#builder = new ReportBuilder(subject, signal);
  }

  report(): CheckReport {
    return this.#builder.report();
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const target = { host: this.#host, port: this.#port, proxy: this.#proxy };
    const way = await findWay(this.#builder, target, this.#limits, signal);
    const handshake = await this.#builder.step('TLS', () => this.#secure(way));
    const exchange = new HttpExchange(this.#origin, handshake.socket, this.#limits);
    try {
      await this.#talk(way, exchange);
    } finally {
      await exchange.close();
    }
  }

  async #talk(way: Way, exchange: HttpExchange): Promise<void> {
    const answer = await this.#builder.step('HTTP', () => this.#recognize(way, exchange));
    await this.#builder.step('CLOCK', async () => ({ value: null, outcome: clockOutcome(answer) }));
    await this.#certificate(exchange);
    await this.#builder.step('MTU', () => this.#passLargePackets(way, exchange));
    await this.#builder.step('THROUGHPUT', () => this.#measure(way, exchange));
  }

  // TLS

  async #secure(way: Way): Promise<{ value: Handshake; outcome: { detail: string } }> {
    const caPem = this.#options.caPem ?? (await this.#learnAuthority(way));
    const handshake = await this.#handshake(way, way.socket, caPem);
    const verdict = judgeCertificate(handshake.problem, handshake.certificate, null);
    if (verdict !== null) throw await this.#explain(verdict, handshake);
    const notice = this.#inspectionNotice(handshake.certificate);
    return { value: handshake, outcome: { detail: describeHandshake(handshake) + notice } };
  }

  /** As enrolment does: believed by its hash alone. null where it cannot be had; what is wrong then shows itself next. */
  async #learnAuthority(way: Way): Promise<string | null> {
    const { signal, caSha256 } = this.#options;
    try {
      const handshake = await this.#shake(await way.again(), null);
      const { authority } = await this.#lookBehind(handshake);
      return authority?.sha256 === caSha256 ? authority.caPem : null;
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }

  async #handshake(way: Way, socket: Socket, caPem: string | null): Promise<Handshake> {
    const { signal } = this.#options;
    try {
      return await this.#shake(socket, caPem);
    } catch (thrown) {
      throw await orPathMtu(thrown, way, this.#limits, signal, async (small) => {
        (await this.#shake(small, caPem)).socket.destroy();
      });
    }
  }

  #shake(socket: Socket, caPem: string | null): Promise<Handshake> {
    const trusted = [caPem, this.#proxy?.caPem ?? null].filter((pem) => pem !== null);
    const stores = [...getCACertificates('default'), ...getCACertificates('system')];
    const question = {
      name: this.#host,
      peer: `${this.#host}:${this.#port}`,
      secureContext: createSecureContext({ ca: [...trusted, ...stores], minVersion: 'TLSv1.2' }),
      ALPNProtocols: ['http/1.1'],
    };
    return shakeHands(socket, question, this.#limits, this.#options.signal);
  }

  /** One public request over a connection that is not believed. Ends the connection. */
  async #lookBehind(handshake: Handshake) {
    const exchange = new HttpExchange(this.#origin, handshake.socket, this.#limits);
    try {
      const answer = await exchange.ask(AUTHORITY, this.#options.signal);
      return { authority: authorityOrNull(answer, this.#origin), skewMilliseconds: skewOf(answer) };
    } catch {
      this.#options.signal.throwIfAborted();
      return { authority: null, skewMilliseconds: null };
    } finally {
      await exchange.close();
    }
  }

  async #explain(verdict: CertificateVerdict, handshake: Handshake): Promise<StepFailure> {
    const { certificate, problem } = handshake;
    const issuer = nameOf(certificate.issuer);
    const peer = `${this.#host}:${this.#port}`;
    const { authority, skewMilliseconds } = await this.#lookBehind(handshake);
    switch (verdict) {
      case 'TLS_UNTRUSTED': {
        if (authority?.sha256 !== this.#options.caSha256) {
          return new StepFailure(
            verdict,
            `${peer} has a certificate by ${issuer}, which is not trusted here (${problem})`,
          );
        }
        const reason = this.#proxy === null ? 'TLS_INSPECTED' : 'PROXY_TLS_INSPECTED';
        return new StepFailure(
          reason,
          `the manager is behind ${peer}, with a certificate by ${issuer} in place of its own`,
        );
      }
      case 'TLS_NAME_MISMATCH':
        return new StepFailure(
          verdict,
          `the certificate of ${peer} is for ${certificate.subjectAltName ?? nameOf(certificate.subject)}, not for ${this.#host}`,
        );
      case 'TLS_EXPIRED':
      case 'TLS_NOT_YET_VALID': {
        const from = certificate.validFromDate.toISOString();
        const force = `the certificate of ${peer} is in force from ${from} to ${certificate.validToDate.toISOString()}`;
        const skewed = skewMilliseconds !== null && Math.abs(skewMilliseconds) > MOST_SKEW_MILLISECONDS;
        if (skewed && isInForce(certificate, new Date(Date.now() + skewMilliseconds))) {
          return new StepFailure('CLOCK_SKEW', `${force}, and ${describeSkew(skewMilliseconds)}`);
        }
        return new StepFailure(verdict, force);
      }
    }
  }

  #inspectionNotice(certificate: X509Certificate): string {
    const proxyCa = this.#proxy?.caPem ?? null;
    if (proxyCa === null || !isIssuedBy(certificate, parseCertificate(proxyCa))) return '';
    return '; the proxy re-signs TLS, with the CA that was given for it';
  }

  // HTTP

  async #recognize(way: Way, exchange: HttpExchange): Promise<{ value: HttpAnswer; outcome: { detail: string } }> {
    const { signal, caSha256 } = this.#options;
    const answer = await exchange.ask(AUTHORITY, signal).catch(async (thrown: unknown) => {
      throw await this.#orPathMtu(thrown, way, AUTHORITY);
    });
    const { sha256 } = readAuthority(answer, this.#origin);
    if (sha256 !== caSha256) {
      throw new StepFailure(
        'HTTP_OTHER_MANAGER',
        `${this.#origin} is a manager whose CA has SHA-256 ${sha256}, not ${caSha256}`,
      );
    }
    return { value: answer, outcome: { detail: `${this.#origin} is the manager: its CA has SHA-256 ${sha256}` } };
  }

  async #certificate(exchange: HttpExchange): Promise<void> {
    const { identity, signal } = this.#options;
    if (identity === null) {
      const detail = 'not enrolled yet: there is no certificate to show';
      this.#builder.note('CERTIFICATE', { detail, skipped: true });
      return;
    }
    await this.#builder.step('CERTIFICATE', async () => {
      const until = requireInForce(identity.certificatePem, new Date());
      const assertion = await identity.signAssertion();
      const answer = await exchange.ask({ method: 'POST', path: identity.tokenPath, body: { assertion } }, signal);
      if (answer.status !== 200) throw readRefusal(answer, this.#origin);
      return { value: null, outcome: { detail: `the manager accepts the own certificate, in force until ${until}` } };
    });
  }

  /** Up: headers longer than a packet. Down: the description of the interface, some ten packets. */
  async #passLargePackets(way: Way, exchange: HttpExchange) {
    const { signal } = this.#options;
    const up = { ...AUTHORITY, headers: { 'lms-padding': PADDING } };
    for (const question of [up, DESCRIPTION]) {
      await exchange.ask(question, signal).catch(async (thrown: unknown) => {
        throw await this.#orPathMtu(thrown, way, question);
      });
    }
    return { value: null, outcome: { detail: describePathMtu(way, 'an exchange of several packets each way') } };
  }

  #orPathMtu(thrown: unknown, way: Way, question: Parameters<HttpExchange['ask']>[0]): Promise<unknown> {
    const { signal, caPem } = this.#options;
    return orPathMtu(thrown, way, this.#limits, signal, async (socket) => {
      const { socket: secured } = await this.#shake(socket, caPem);
      const exchange = new HttpExchange(this.#origin, secured, this.#limits);
      try {
        await exchange.ask(question, signal);
      } finally {
        await exchange.close();
      }
    });
  }

  async #measure(way: Way, exchange: HttpExchange) {
    const { signal } = this.#options;
    const { throughputMilliseconds, throughputBytes, slowBitsPerSecond } = this.#limits;
    const startedAt = performance.now();
    let bytes = 0;
    const most = Math.min(throughputBytes, MAXIMUM_DOWNLOAD_BYTES);
    for (let count = 0; count < MAXIMUM_DOWNLOADS && bytes < most; count += 1) {
      if (performance.now() - startedAt > throughputMilliseconds) break;
      bytes += (await exchange.ask(DESCRIPTION, signal)).bytes;
    }
    const down: Transfer = { direction: 'down', bytes, milliseconds: performance.now() - startedAt };
    return { value: null, outcome: throughputOutcome([down], way.roundTripMilliseconds, slowBitsPerSecond) };
  }
}

function authorityOrNull(answer: HttpAnswer, origin: string) {
  try {
    return readAuthority(answer, origin);
  } catch {
    return null;
  }
}

/** null: it did not say its time. */
function skewOf({ date, askedAt, answeredAt }: HttpAnswer): number | null {
  if (date === null) return null;
  return clockSkewMilliseconds({ theirs: date, askedAt, answeredAt, resolutionMilliseconds: 1_000 });
}

function clockOutcome(answer: HttpAnswer) {
  const skew = skewOf(answer);
  if (skew === null) return { detail: 'the manager did not say its time', skipped: true };
  if (judgeSkew(skew) === 'failed') throw new StepFailure('CLOCK_SKEW', describeSkew(skew));
  return skewOutcome(skew);
}
