/**
 * The network between source machines and the replication server: opens connections, and breaks them in every way that
 * networks do. A broken connection may still deliver what was on its way (R11), or fall silent without telling anybody.
 */
import type { Frame, FrameConnection } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { Scheduler } from '../time/scheduler.ts';
import { Endpoint } from './link.ts';
import { Pipe, type PipeShape } from './pipe.ts';

/** TLS gives up a peer that says nothing for so long. */
const SILENCE_MICROSECONDS = 30_000_000;

export const BREAKS = ['reset', 'truncated', 'silent', 'late'] as const;
/** `late`: the agent's end is reset while what it sent goes on arriving for some seconds. */
export type Break = (typeof BREAKS)[number];

export interface Link {
  readonly agentProcess: SimulatedProcess;
  readonly agent: Endpoint;
  readonly server: Endpoint;
  readonly toServer: Pipe;
  readonly toAgent: Pipe;
}

export interface Listener {
  readonly process: SimulatedProcess;
  accept(connection: FrameConnection): void;
}

export interface NetworkObserver {
  /** Bytes that one core keeps waiting at its end of a connection (R10). */
  waiting(end: 'agent' | 'server', bytes: number): void;
  agentSent(frame: Frame, process: SimulatedProcess): void;
  agentReceived(frame: Frame, process: SimulatedProcess): void;
}

export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #observer: NetworkObserver;
  #links: Link[] = [];
  readonly #broken = new WeakSet<Link>();
  /** Null while no replication server listens. */
  listener: Listener | null = null;
  /** The network is down, or the manager is away and nobody says where the server is. */
  unreachable = false;
  readonly #shape: PipeShape;

  constructor(scheduler: Scheduler, random: Random, shape: PipeShape, observer: NetworkObserver) {
    this.#shape = shape;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#observer = observer;
  }

  get links(): readonly Link[] {
    this.#links = this.#links.filter(({ agent, server }) => agent.open || server.open);
    return this.#links;
  }

  connect(process: SimulatedProcess, signal: AbortSignal): Promise<FrameConnection> {
    return process.call('network.connect', this.#random.latency(2_000), async () => {
      signal.throwIfAborted();
      const { listener } = this;
      if (listener === null || this.unreachable || !listener.process.alive) {
        await this.#scheduler.pause(this.#random.latency(200_000));
        throw new LmsError('UNAVAILABLE', 'nobody listens at the address of the replication server');
      }
      return this.#open(process, listener);
    });
  }

  /** Whether a fault has broken it; not when one end closed it. */
  isBroken(link: Link): boolean {
    return this.#broken.has(link);
  }

  break(link: Link, how: Break): void {
    this.#broken.add(link);
    const broken = new LmsError('UNAVAILABLE', `the connection broke: ${how}`);
    if (how === 'reset') this.#reset(link, broken);
    if (how === 'truncated') {
      link.toServer.truncate();
      link.agent.fail(broken);
    }
    if (how === 'late') {
      link.agent.fail(broken);
      link.toAgent.swallow();
      this.#scheduler.after(this.#random.between(100_000, 8_000_000), () => link.server.fail(broken));
    }
    if (how === 'silent') {
      link.toServer.swallow();
      link.toAgent.swallow();
      for (const end of [link.agent, link.server]) {
        this.#scheduler.after(SILENCE_MICROSECONDS + this.#random.below(5_000_000), () => end.fail(broken));
      }
    }
  }

  /** A process is gone: its kernel closes its sockets. */
  processDied(process: SimulatedProcess): void {
    for (const link of this.links) {
      if (this.#broken.has(link)) continue;
      if (link.agentProcess === process) this.#endOf(link.toServer, link.server);
      else if (this.listener?.process === process) this.#endOf(link.toAgent, link.agent);
    }
  }

  /** A machine is gone without a word: reboot, power. */
  machineDied(process: SimulatedProcess): void {
    for (const link of this.links) {
      if (link.agentProcess === process || this.listener?.process === process) this.break(link, 'silent');
    }
  }

  #endOf(pipe: Pipe, peer: Endpoint): void {
    if (this.#random.chance(0.5)) pipe.end('orderly');
    else {
      pipe.end('reset');
      peer.fail(new LmsError('UNAVAILABLE', 'the connection was reset by the peer'));
    }
  }

  #reset(link: Link, error: LmsError): void {
    link.agent.fail(error);
    link.server.fail(error);
    link.toServer.end('reset');
    link.toAgent.end('reset');
  }

  #open(agentProcess: SimulatedProcess, listener: Listener): FrameConnection {
    const random = this.#random;
    const toServer = new Pipe(this.#scheduler, random.fork(), this.#shape);
    const toAgent = new Pipe(this.#scheduler, random.fork(), this.#shape);
    const agent = new Endpoint(agentProcess, toServer, toAgent, random.fork(), {
      sent: (frame) => this.#observer.agentSent(frame, agentProcess),
      received: (frame) => this.#observer.agentReceived(frame, agentProcess),
      held: () => undefined,
      queued: (bytes) => this.#observer.waiting('agent', bytes),
    });
    const server = new Endpoint(listener.process, toAgent, toServer, random.fork(), {
      sent: () => undefined,
      received: () => undefined,
      held: (bytes) => this.#observer.waiting('server', bytes),
      queued: (bytes) => this.#observer.waiting('server', bytes),
    });
    this.#links.push({ agentProcess, agent, server, toServer, toAgent });
    listener.accept(server);
    return agent;
  }
}
