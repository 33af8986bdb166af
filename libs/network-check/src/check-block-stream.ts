/**
 * The way to a replication server on 1500.
 *
 * Mechanism: the same TLS as the agent's own, and then a connection of checks (docs/protocol.md), which never becomes a session and so
 * never fences one (R11). Special cases: before enrolment there is neither a certificate to show nor a CA to compare with; the check
 * then goes as far as it can. A server of before knows no checks: what it says unasked is all that there is, and no hello is sent.
 */
import type { Socket } from 'node:net';
import type { CheckReport } from '@lms/api';
import { ALPN_PROTOCOL, CHECK_ALPN_PROTOCOL, TLS_CIPHER } from '@lms/block-stream';
import { NOBODYS_BLOCK_STREAM_SERVER_NAME, parseCertificate } from '@lms/identity';
import { formatAuthority, isBypassed } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import { DEFAULT_CHECK_LIMITS } from './limits.ts';
import type { CheckLimits } from './limits.ts';
import { CheckEnded, ReportBuilder } from './report/report-builder.ts';
import type { StepOutcome } from './report/report-builder.ts';
import { StepFailure } from './report/step-failure.ts';
import { refusalOf, untrustedBlockStream } from './steps/block-stream-verdict.ts';
import { isInForce, judgeCertificate } from './steps/certificate-verdict.ts';
import { CheckExchange } from './steps/check-exchange.ts';
import type { CheckReading } from './steps/check-exchange.ts';
import { MOST_SKEW_MILLISECONDS, clockSkewMilliseconds, describeSkew, judgeSkew, skewOutcome } from './steps/clock.ts';
import { describeHandshake, nameOf, shakeHands } from './steps/handshake.ts';
import type { Handshake } from './steps/handshake.ts';
import { requireInForce } from './steps/own-certificate.ts';
import { describePathMtu, orPathMtu } from './steps/path-mtu.ts';
import { throughputOutcome } from './steps/throughput.ts';
import { measureBothWays } from './steps/transfer.ts';
import { findWay } from './way.ts';
import type { Way } from './way.ts';

export interface BlockStreamCheck {
  readonly from: CheckReport['from'];
  readonly host: string;
  readonly port: number;
  /** SNI, and the name that the certificate must have; null: before enrolment nobody knows it. */
  readonly serverName: string | null;
  /** PEM of the manager's CA; null: before enrolment it is not known, and the certificate is shown but not judged. */
  readonly caPem: string | null;
  readonly identity: { readonly privateKeyPem: string; readonly certificatePem: string } | null;
  /** Where 1500 goes by a proxy. */
  readonly proxy: ProxySettings | null;
  /** Whether this machine's agent has a session; null: not known. */
  readonly ownSession: 'connected' | 'absent' | null;
  readonly limits?: Partial<CheckLimits>;
  readonly signal: AbortSignal;
}

/** Old versions are let in to be told apart from silence; what 1500 needs is looked at behind. */
const CIPHERS = `${TLS_CIPHER}:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384`;
/** Some fifty packets each way. */
const LARGE_BYTES = 64 * 1024;
/** A refusal comes in the first flight after the handshake. */
const REFUSAL_MILLISECONDS = 2_000;

export async function checkBlockStream(options: BlockStreamCheck): Promise<CheckReport> {
  const check = new CheckOfBlockStream(options);
  try {
    await check.run();
  } catch (thrown) {
    if (!(thrown instanceof CheckEnded)) throw thrown;
  }
  return check.report();
}

class CheckOfBlockStream {
  readonly #options: BlockStreamCheck;
  readonly #limits: CheckLimits;
  readonly #peer: string;
  readonly #proxy: ProxySettings | null;
  readonly #builder: ReportBuilder;

  constructor(options: BlockStreamCheck) {
    const { from, host, port, proxy, signal } = options;
    this.#options = options;
    this.#limits = { ...DEFAULT_CHECK_LIMITS, ...options.limits };
    this.#peer = formatAuthority(host, port);
    this.#proxy = proxy === null || isBypassed(host, port, proxy.noProxy) ? null : proxy;
    const subject = { target: '1500', from, to: this.#peer, proxy: this.#proxy?.url ?? null, at: new Date() } as const;
    this.#builder = new ReportBuilder(subject, signal);
  }

  report(): CheckReport {
    return this.#builder.report();
  }

  async run(): Promise<void> {
    const { host, port, signal } = this.#options;
    const way = await findWay(this.#builder, { host, port, proxy: this.#proxy }, this.#limits, signal);
    const handshake = await this.#builder.step('TLS', () => this.#secure(way));
    if (handshake === null) return;
    const exchange = new CheckExchange(handshake.socket, this.#peer, this.#limits);
    try {
      await this.#talk(way, handshake, exchange);
    } finally {
      exchange.close();
    }
  }

  // TLS

  async #secure(way: Way): Promise<{ value: Handshake | null; outcome: StepOutcome }> {
    const { signal } = this.#options;
    let handshake: Handshake;
    try {
      handshake = await this.#shake(way.socket);
    } catch (thrown) {
      const outcome = this.#routerWithoutName(thrown);
      if (outcome !== null) return { value: null, outcome };
      throw await orPathMtu(thrown, way, this.#limits, signal, async (small) => {
        (await this.#shake(small)).socket.destroy();
      });
    }
    try {
      await this.#judge(handshake);
    } catch (thrown) {
      handshake.socket.destroy();
      throw thrown;
    }
    const judged = this.#options.caPem === null ? ' (not judged: before enrolment the CA is not known)' : '';
    return { value: handshake, outcome: { detail: describeHandshake(handshake) + judged } };
  }

  #shake(socket: Socket): Promise<Handshake> {
    const { caPem, identity, signal, serverName } = this.#options;
    const question = {
      name: serverName ?? NOBODYS_BLOCK_STREAM_SERVER_NAME,
      peer: this.#peer,
      ...(caPem === null ? {} : { ca: caPem }),
      ...(identity === null ? {} : { key: identity.privateKeyPem, cert: identity.certificatePem }),
      ALPNProtocols: [CHECK_ALPN_PROTOCOL, ALPN_PROTOCOL],
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
    } as const;
    return shakeHands(socket, question, this.#limits, signal);
  }

  /** A router of the block stream goes by the machine's name, and there is none before enrolment. */
  #routerWithoutName(thrown: unknown): StepOutcome | null {
    const isClosed = thrown instanceof StepFailure && thrown.reason === 'TLS_CLOSED';
    if (this.#options.serverName !== null || !isClosed) return null;
    const detail = `${this.#peer} ended the connection when TLS began: so does a router of the block stream before enrolment, since it knows no such machine; and so may a firewall`;
    return { detail, warning: 'TLS_CLOSED' };
  }

  async #judge(handshake: Handshake): Promise<void> {
    const { caPem, serverName } = this.#options;
    const { certificate, problem, version } = handshake;
    if (handshake.alpn === null) throw notABlockStream(this.#peer, certificate.issuer);
    if (version !== 'TLSv1.3')
      throw new StepFailure('TLS_VERSION', `${this.#peer} speaks ${version}, and 1500 needs TLSv1.3`);
    if (caPem === null) return;
    const authority = parseCertificate(caPem);
    const name = serverName ?? NOBODYS_BLOCK_STREAM_SERVER_NAME;
    const verdict = judgeCertificate(problem, certificate, authority);
    switch (verdict) {
      case null:
        return;
      case 'TLS_UNTRUSTED':
        throw untrustedBlockStream(this.#peer, name, certificate, authority);
      case 'TLS_NAME_MISMATCH': {
        const names = certificate.subjectAltName ?? nameOf(certificate.subject);
        throw new StepFailure(verdict, `the certificate of ${this.#peer} is for ${names}, not for ${name}`);
      }
      case 'TLS_EXPIRED':
      case 'TLS_NOT_YET_VALID': {
        const from = certificate.validFromDate.toISOString();
        const force = `the certificate of ${this.#peer} is in force from ${from} to ${certificate.validToDate.toISOString()}`;
        const skew = await this.#askTime(handshake);
        const skewed = skew !== null && Math.abs(skew) > MOST_SKEW_MILLISECONDS;
        if (skewed && isInForce(certificate, new Date(Date.now() + skew))) {
          throw new StepFailure('CLOCK_SKEW', `${force}, and ${describeSkew(skew)}`);
        }
        throw new StepFailure(verdict, force);
      }
    }
  }

  /** What time it has there, from whoever it is: for a diagnosis, and nothing else. null: it does not say. */
  async #askTime({ socket, alpn }: Handshake): Promise<number | null> {
    if (alpn !== CHECK_ALPN_PROTOCOL) return null;
    const exchange = new CheckExchange(socket, this.#peer, this.#limits);
    try {
      return skewOf(await exchange.ask(0, 0, this.#options.signal));
    } catch {
      this.#options.signal.throwIfAborted();
      return null;
    } finally {
      exchange.close();
    }
  }

  // The block stream

  async #talk(way: Way, handshake: Handshake, exchange: CheckExchange): Promise<void> {
    if (handshake.alpn !== CHECK_ALPN_PROTOCOL) {
      await this.#listen(exchange);
      return;
    }
    const reading = await this.#builder.step('BLOCK_STREAM', () => this.#recognize(way, exchange));
    await this.#builder.step('CLOCK', async () => ({ value: null, outcome: clockOutcome(reading) }));
    if (!(await this.#certificate(reading))) return;
    await this.#builder.step('MTU', () => this.#passLargeFrames(way, exchange));
    await this.#builder.step('THROUGHPUT', () => this.#measure(way, exchange));
  }

  /** A server that knows no checks: it refuses unasked, or not. */
  async #listen(exchange: CheckExchange): Promise<void> {
    await this.#builder.step('BLOCK_STREAM', async () => {
      const detail = `${this.#peer} is a replication server of a release without checks: what comes after the handshake is not tried`;
      return { value: null, outcome: { detail } };
    });
    const refusal = await exchange.hear(REFUSAL_MILLISECONDS, this.#options.signal);
    await this.#builder.step('CERTIFICATE', async () => {
      if (this.#options.identity === null) return { value: null, outcome: notEnrolled() };
      if (refusal !== null) throw refusalOf(refusal);
      return { value: null, outcome: { detail: 'nothing was said against the own certificate' } };
    });
  }

  async #recognize(way: Way, exchange: CheckExchange): Promise<{ value: CheckReading; outcome: StepOutcome }> {
    const { signal, ownSession } = this.#options;
    const value = await exchange.ask(0, 0, signal).catch(async (thrown: unknown) => {
      throw await this.#orPathMtu(thrown, way, 0);
    });
    const detail = `${this.#peer} is a replication server`;
    if (value.frame.type === 'checkAnswer' && value.frame.sessionConnected && ownSession === 'absent') {
      const other = `${detail}, and has a session of this machine, which is not that of the agent here`;
      return { value, outcome: { detail: other, warning: 'FENCED' } };
    }
    return { value, outcome: { detail } };
  }

  /** False where there is nothing more to be asked. */
  async #certificate({ frame }: CheckReading): Promise<boolean> {
    const { identity } = this.#options;
    if (identity === null) {
      this.#builder.note('CERTIFICATE', notEnrolled());
      return frame.type === 'checkAnswer';
    }
    await this.#builder.step('CERTIFICATE', async () => {
      const until = requireInForce(identity.certificatePem, new Date());
      if (frame.type === 'error') throw refusalOf(frame);
      const detail = `the replication server accepts the own certificate, in force until ${until}, and is in charge of this machine`;
      return { value: null, outcome: { detail } };
    });
    return true;
  }

  async #passLargeFrames(way: Way, exchange: CheckExchange): Promise<{ value: null; outcome: StepOutcome }> {
    const { frame } = await exchange
      .ask(LARGE_BYTES, LARGE_BYTES, this.#options.signal)
      .catch(async (thrown: unknown) => {
        throw await this.#orPathMtu(thrown, way, LARGE_BYTES);
      });
    if (frame.type === 'error') throw refusalOf(frame);
    return { value: null, outcome: { detail: describePathMtu(way, `${LARGE_BYTES / 1024} KiB each way`) } };
  }

  #orPathMtu(thrown: unknown, way: Way, bytes: number): Promise<unknown> {
    const { signal } = this.#options;
    return orPathMtu(thrown, way, this.#limits, signal, async (small) => {
      const handshake = await this.#shake(small);
      const exchange = new CheckExchange(handshake.socket, this.#peer, this.#limits);
      try {
        await exchange.ask(bytes, bytes, signal);
      } finally {
        exchange.close();
      }
    });
  }

  async #measure(way: Way, exchange: CheckExchange): Promise<{ value: null; outcome: StepOutcome }> {
    const { transfers, roundTripMilliseconds } = await measureBothWays(exchange, this.#limits, this.#options.signal);
    const roundTrip = Math.min(way.roundTripMilliseconds || roundTripMilliseconds, roundTripMilliseconds);
    return { value: null, outcome: throughputOutcome(transfers, roundTrip, this.#limits.slowBitsPerSecond) };
  }
}

function notEnrolled(): StepOutcome {
  return { detail: 'not enrolled yet: there is no certificate to show, and the server asks for one', skipped: true };
}

function notABlockStream(peer: string, issuer: string): StepFailure {
  const message = `${peer} speaks TLS and not ${ALPN_PROTOCOL}; its certificate is by ${nameOf(issuer)}`;
  return new StepFailure('NOT_A_BLOCK_STREAM', message);
}

/** null: it refused instead of saying its time. */
function skewOf({ frame, askedAt, answeredAt }: CheckReading): number | null {
  if (frame.type !== 'checkAnswer') return null;
  const theirs = Math.floor(frame.instantMicroseconds / 1_000);
  return clockSkewMilliseconds({ theirs, askedAt, answeredAt, resolutionMilliseconds: 1 });
}

function clockOutcome(reading: CheckReading): StepOutcome {
  const skew = skewOf(reading);
  if (skew === null) return { detail: 'the replication server did not say its time', skipped: true };
  if (judgeSkew(skew) === 'failed') throw new StepFailure('CLOCK_SKEW', describeSkew(skew));
  return skewOutcome(skew);
}
