// The driver `kubernetes` with pods that become ready: many new machines, a leader that is killed, a leader that goes in
// order, and a restart of the only controller; each with what was asked of the API server.

import type { Cleanup } from '../harness/cleanup.ts';
import type { KubeApiServer } from '../harness/kube-api-server.ts';
import { ApiCallCounter, tellServer, type ApiCalls } from './api-calls.ts';
import { DriverProcess } from './driver-process.ts';
import { makeRoom, startFakeCluster } from './fake-cluster.ts';
import { figure, printTable, say, sayHowBusy } from './report.ts';
import { watchFor } from './watch-for.ts';
import { withCleanup } from './with-cleanup.ts';

const WATCHED_MILLISECONDS = 60_000;

export async function measurePods(parameters: readonly string[]): Promise<void> {
  const [machines = 1_000, requestsPerSecond = 50] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    const server = await startFakeCluster(cleanup);
    await makeRoom(server, machines);
    say(`there is room for ${machines} machines; ${requestsPerSecond} writes a second are allowed`);
    const rows = await new PodsMeasurement(server, machines, requestsPerSecond, cleanup).run();
    printTable(
      ['what', 's', 'reads', 'watches', 'writes', 'for the lease', 'held back', 'CPU s', 'resident MiB', 'heap MiB'],
      rows,
    );
  });
}

class PodsMeasurement {
  readonly #server: KubeApiServer;
  readonly #machines: number;
  readonly #requestsPerSecond: number;
  readonly #cleanup: Cleanup;
  readonly #calls: ApiCallCounter;
  readonly #rows: (readonly string[])[] = [];

  constructor(server: KubeApiServer, machines: number, requestsPerSecond: number, cleanup: Cleanup) {
    this.#server = server;
    this.#machines = machines;
    this.#requestsPerSecond = requestsPerSecond;
    this.#cleanup = cleanup;
    this.#calls = new ApiCallCounter(server);
  }

  async run(): Promise<readonly (readonly string[])[]> {
    const first = await this.#leader('first');
    await this.#measure(`${this.#machines} new machines until all pods are ready`, first, () => this.#allRun(first));
    say(await tellServer(this.#server));
    const second = this.#start('second');
    await second.until('the second to see all', ({ running }) => running === this.#machines);
    await this.#calls.take();
    await this.#measure('the leader is killed, until another has planned all', second, async () => {
      await first.end('SIGKILL');
      await this.#allPlanned(second);
    });
    const third = this.#start('third');
    await third.until('the third to see all', ({ running }) => running === this.#machines);
    await this.#calls.take();
    await this.#measure('the leader stops in order, until another has planned all', third, async () => {
      await second.end('SIGTERM');
      await this.#allPlanned(third);
    });
    await third.end('SIGTERM');
    await this.#calls.take();
    const fourth = this.#start('fourth');
    await this.#measure('the only controller is started anew, until it has planned all', fourth, () =>
      this.#allPlanned(fourth),
    );
    await this.#measure('the 60 s after that', fourth, () => watchFor(WATCHED_MILLISECONDS));
    return this.#rows;
  }

  #start(identity: string): DriverProcess {
    const driver = DriverProcess.start(this.#server, identity, this.#machines, this.#requestsPerSecond);
    this.#cleanup.add(`end ${identity}`, () => driver.end('SIGKILL'));
    return driver;
  }

  /** It counts from the moment that it may write. */
  async #leader(identity: string): Promise<DriverProcess> {
    const driver = this.#start(identity);
    await driver.until('it to lead', ({ leads }) => leads);
    return driver;
  }

  async #allRun(driver: DriverProcess): Promise<void> {
    let said = 0;
    await driver.until('all pods to run', ({ running }) => {
      if (running >= said + this.#machines / 10) say(`${(said = running)} run`);
      return running === this.#machines;
    });
  }

  async #allPlanned(driver: DriverProcess): Promise<void> {
    await driver.until('it to have planned all', ({ idle, running }) => idle && running === this.#machines);
  }

  async #measure(what: string, driver: DriverProcess, work: () => Promise<unknown>): Promise<void> {
    say(what);
    const startedAt = performance.now();
    const before = driver.cpuSeconds;
    await work();
    const seconds = (performance.now() - startedAt) / 1_000;
    const spent = driver.cpuSeconds - before;
    const { reads, watches, writes, written, lease, heldBack }: ApiCalls = await this.#calls.take();
    if (writes > 0) say(`written: ${written}`);
    const { heapMebibytes } = await driver.state();
    const numbers = [seconds, reads, watches, writes, lease, heldBack, spent, driver.residentMebibytes, heapMebibytes];
    this.#rows.push([what, ...numbers.map(figure)]);
  }
}
