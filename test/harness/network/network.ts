// Hosts that are network namespaces, around one router: nothing of it touches the network of the machine that tests run on.
//
// Every wire of a host is a network of its own, so whatever goes from host to host passes the router's forward hook: there a
// test cuts (nft), shapes (tbf) or narrows (MTU). Addresses are from the range for benchmarks (RFC 2544) and from fd00::/8.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Cleanup } from '../cleanup.ts';
import { requireCommand, runCommand } from '../command.ts';
import { mountRun } from '../own-mounts.ts';
import { Host } from './host.ts';
import type { Link } from './host.ts';

const MAXIMUM_LINKS = 250;
const NO_DUPLICATES = ['default', 'all'].flatMap((scope) => [
  `net.ipv6.conf.${scope}.accept_dad=0`,
  `net.ipv6.conf.${scope}.dad_transmits=0`,
]);

export interface NetworkOptions {
  /** For the hosts' files. Made a shared mount: what is mounted below it and unmounted again is unmounted on every host. */
  readonly folder: string;
  readonly cleanup: Cleanup;
}

export interface AddHostOptions {
  /** Wires to the router, each with an address of its own. Default 1. */
  readonly links?: number;
}

export class TestNetwork {
  readonly router: Host;
  readonly #options: NetworkOptions;
  readonly #prefix: string;
  #links = 0;

  private constructor(options: NetworkOptions, prefix: string) {
    this.#options = options;
    this.#prefix = prefix;
    this.router = this.#host('router', []);
  }

  static async create(options: NetworkOptions): Promise<TestNetwork> {
    const { folder, cleanup } = options;
    cleanup.add(`unmount ${folder}`, async () => {
      await runCommand('umount', ['--lazy', folder]);
    });
    await requireCommand('mount', ['--bind', folder, folder]);
    await requireCommand('mount', ['--make-shared', folder]);
    const network = new TestNetwork(options, `lms-${randomBytes(4).toString('hex')}`);
    await network.#addNamespace(network.router);
    await network.router.run('sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    return network;
  }

  async addHost(name: string, { links = 1 }: AddHostOptions = {}): Promise<Host> {
    const wires = Array.from({ length: links }, (_, index) => this.#link(name, index));
    const host = this.#host(name, wires);
    await this.#addNamespace(host);
    for (const wire of wires) await this.#connect(host, wire);
    return host;
  }

  /**
   * What goes through the router to this wire of the host waits for its turn at this rate; what comes from it at the same.
   * A second call changes the rate.
   */
  async shape(host: Host, bitsPerSecond: number, link = 0): Promise<void> {
    const wire = host.links[link];
    if (wire === undefined) throw new Error(`host ${host.name} has no link ${link}`);
    const rate = ['tbf', 'rate', `${Math.round(bitsPerSecond)}bit`, 'burst', '16kb', 'latency', '200ms'];
    await this.router.run('tc', 'qdisc', 'replace', 'dev', wire.routerDevice, 'root', ...rate);
    await host.run('tc', 'qdisc', 'replace', 'dev', wire.device, 'root', ...rate);
  }

  #host(name: string, links: readonly Link[]): Host {
    const { folder } = this.#options;
    return new Host({
      namespace: `${this.#prefix}-${name}`,
      name,
      links,
      runFolder: this.#runFolder(name),
      hostsFile: join(folder, `${name}.hosts`),
      resolverFile: join(folder, `${name}.resolv.conf`),
    });
  }

  #link(name: string, index: number): Link {
    this.#links += 1;
    if (this.#links > MAXIMUM_LINKS) throw new Error('a test network has no more addresses');
    return {
      device: `eth${index}`,
      // A device's name has 15 characters at most.
      routerDevice: `${name.slice(0, 12)}${index}`,
      address: `198.18.${this.#links}.2`,
      address6: `fd00:0:0:${this.#links.toString(16)}::2`,
      routerAddress: `198.18.${this.#links}.1`,
    };
  }

  #runFolder(name: string): string {
    return join(this.#options.folder, `${name}.run`);
  }

  async #addNamespace(host: Host): Promise<void> {
    const { namespace, name } = host;
    this.#options.cleanup.add(`remove the network of ${name}`, async () => {
      await runCommand('ip', ['netns', 'delete', namespace]);
    });
    await mountRun(this.#runFolder(name));
    await requireCommand('ip', ['netns', 'add', namespace]);
    await requireCommand('ip', ['--netns', namespace, 'link', 'set', 'lo', 'up']);
    // Nobody else has these addresses: the kernel need not first look for a second, which takes more than a second.
    await host.run('sysctl', '--quiet', '--write', 'net.ipv6.conf.all.disable_ipv6=0', ...NO_DUPLICATES);
  }

  async #connect(host: Host, { device, routerDevice, address, address6, routerAddress }: Link): Promise<void> {
    const here = (...words: string[]): Promise<string> => requireCommand('ip', ['--netns', host.namespace, ...words]);
    const there = (...words: string[]): Promise<string> =>
      requireCommand('ip', ['--netns', this.router.namespace, ...words]);
    const routerAddress6 = address6.replace(/2$/, '1');
    const peer = ['type', 'veth', 'peer', 'name', routerDevice, 'netns', this.router.namespace];
    await here('link', 'add', device, ...peer);
    await here('address', 'add', `${address}/24`, 'dev', device);
    await here('address', 'add', `${address6}/64`, 'dev', device);
    await there('address', 'add', `${routerAddress}/24`, 'dev', routerDevice);
    await there('address', 'add', `${routerAddress6}/64`, 'dev', routerDevice);
    await there('link', 'set', routerDevice, 'up');
    await here('link', 'set', device, 'up');
    if (device !== 'eth0') {
      // Answers leave by the wire that the question came by, as a host with two networks has it.
      const table = String(100 + Number(device.slice(3)));
      await here('route', 'add', 'default', 'via', routerAddress, 'table', table);
      await here('rule', 'add', 'from', address, 'table', table);
      return;
    }
    await here('route', 'add', 'default', 'via', routerAddress);
    await here('-6', 'route', 'add', 'default', 'via', routerAddress6);
  }
}
