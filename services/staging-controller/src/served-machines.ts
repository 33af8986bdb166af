/** Machine id → its replication server, and the other way round: a question about one server looks at its machines only. */
export class ServedMachines {
  readonly #servers = new Map<string, string>();
  readonly #machines = new Map<string, Set<string>>();

  /** By machine id. */
  get servers(): ReadonlyMap<string, string> {
    return this.#servers;
  }

  of(server: string): Iterable<string> {
    return this.#machines.get(server) ?? [];
  }

  serverOf(machineId: string): string | null {
    return this.#servers.get(machineId) ?? null;
  }

  set(machineId: string, server: string): void {
    if (this.#servers.get(machineId) === server) return;
    this.delete(machineId);
    this.#servers.set(machineId, server);
    const machines = this.#machines.get(server) ?? new Set();
    this.#machines.set(server, machines.add(machineId));
  }

  delete(machineId: string): void {
    const server = this.#servers.get(machineId);
    if (server === undefined) return;
    this.#servers.delete(machineId);
    const machines = this.#machines.get(server);
    machines?.delete(machineId);
    if (machines?.size === 0) this.#machines.delete(server);
  }
}
