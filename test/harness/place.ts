// Where a program runs: here, or at a place that has a command which runs what follows it in its own process (`nsenter …`).

export interface PlacedCommand {
  readonly program: string;
  readonly parameters: readonly string[];
}

export class Place {
  readonly #through: readonly string[];

  constructor(through: readonly string[]) {
    this.#through = through;
  }

  command(program: string, ...parameters: readonly string[]): PlacedCommand {
    const [first = program, ...rest] = this.#through;
    return this.#through.length === 0
      ? { program, parameters }
      : { program: first, parameters: [...rest, program, ...parameters] };
  }
}

export const HERE = new Place([]);
