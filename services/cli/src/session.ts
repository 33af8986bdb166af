/** What every command that talks to the manager has: the client, the form of the result, and the signal that ends it. */
import { OperatorApi } from '@lms/api';
import { createProgress, formatResult, writeOutput } from '@lms/command-line';
import type { OutputFormat, Progress, Result } from '@lms/command-line';
import { proxyFromEnvironment } from '@lms/proxy';
import type { Command } from 'commander';
import { readContext } from './context.ts';

interface RootOptions {
  readonly context?: string;
  readonly o: OutputFormat;
}

export class ManagerSession {
  readonly signal: AbortSignal;
  readonly progress: Progress = createProgress(process.stderr);
  readonly #program: Command;

  constructor(program: Command, signal: AbortSignal) {
    this.#program = program;
    this.signal = signal;
  }

  /** Runs `work` with a client of the manager that the context names. */
  async use<Value>(work: (api: OperatorApi) => Promise<Value>): Promise<Value> {
    const { managerUrl, caPem, apiToken } = await readContext(this.#options().context);
    const api = new OperatorApi({
      managerUrl,
      caPem,
      apiToken,
      proxy: proxyFromEnvironment(managerUrl, process.env),
    });
    try {
      return await work(api);
    } finally {
      this.progress.clear();
      await api.close();
    }
  }

  get contextIsNamed(): boolean {
    return (this.#options().context ?? '') !== '';
  }

  async print(result: Result): Promise<void> {
    this.progress.clear();
    await writeOutput(process.stdout, formatResult(result, this.#options().o));
  }

  /** A sentence for the person at the terminal; never a result. */
  async tell(sentence: string): Promise<void> {
    this.progress.clear();
    await writeOutput(process.stderr, `${sentence}\n`);
  }

  #options(): RootOptions {
    return this.#program.opts<RootOptions>();
  }
}
