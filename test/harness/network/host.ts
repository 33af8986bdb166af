// A network namespace as a host: an address, names of its own, and whatever programs a test runs there.

import { writeFileSync } from 'node:fs';
import { requireCommand, runCommand } from '../command.ts';
import type { CommandOptions, CommandResult } from '../command.ts';
import { withOwnMounts } from '../own-mounts.ts';
import { Place } from '../place.ts';

/** One wire of a host to the router. */
export interface Link {
  /** As the host calls it: eth0, eth1, … */
  readonly device: string;
  /** The router's end. */
  readonly routerDevice: string;
  readonly address: string;
  readonly address6: string;
  readonly routerAddress: string;
}

export interface HostOptions {
  readonly namespace: string;
  readonly name: string;
  readonly links: readonly Link[];
  /** What it has for /run. */
  readonly runFolder: string;
  /** What it has for /etc/hosts. */
  readonly hostsFile: string;
  /** What it has for /etc/resolv.conf; empty: it asks nobody. */
  readonly resolverFile: string;
}

export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly links: readonly Link[];
  /** Programs that run here see the test's files, this host's network, and its names. */
  readonly place: Place;
  readonly #hostsFile: string;
  readonly #resolverFile: string;

  constructor({ namespace, name, links, runFolder, hostsFile, resolverFile }: HostOptions) {
    this.name = name;
    this.namespace = namespace;
    this.links = links;
    this.#hostsFile = hostsFile;
    this.#resolverFile = resolverFile;
    this.setNames({});
    this.setResolver(null);
    const files = { '/etc/hosts': hostsFile, '/etc/resolv.conf': resolverFile };
    this.place = new Place(['nsenter', `--net=/run/netns/${namespace}`, ...withOwnMounts({ runFolder, files })]);
  }

  /** Of its first link. */
  get address(): string {
    return this.#link(0).address;
  }

  get address6(): string {
    return this.#link(0).address6;
  }

  /** The router's end of its first link. */
  get routerDevice(): string {
    return this.#link(0).routerDevice;
  }

  /** Names that lead to addresses, for programs here; in place of those of before, also for programs that run. */
  setNames(names: Readonly<Record<string, string>>): void {
    const lines = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(this.#hostsFile, `127.0.0.1 localhost\n${lines.join('')}`);
  }

  /** The DNS server that programs here ask; null: none. */
  setResolver(address: string | null): void {
    writeFileSync(this.#resolverFile, address === null ? '' : `nameserver ${address}\noptions timeout:1 attempts:1\n`);
  }

  /** Returns stdout; throws when the program fails. */
  async run(program: string, ...parameters: readonly string[]): Promise<string> {
    const placed = this.place.command(program, ...parameters);
    return requireCommand(placed.program, placed.parameters);
  }

  /** Whatever the program's exit code is. */
  async try(program: string, parameters: readonly string[] = [], options: CommandOptions = {}): Promise<CommandResult> {
    const placed = this.place.command(program, ...parameters);
    return runCommand(placed.program, placed.parameters, options);
  }

  /** Runs a script of nftables here. */
  async nft(script: string): Promise<void> {
    const placed = this.place.command('nft', '--file', '-');
    await requireCommand(placed.program, placed.parameters, { input: script });
  }

  #link(index: number): Link {
    const link = this.links[index];
    if (link === undefined) throw new Error(`host ${this.name} has no link ${index}`);
    return link;
  }
}
