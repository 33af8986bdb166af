// A way through JSON of which nothing is known: what is not there throws, and says where.

export class Json {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path = '$') {
    this.#value = value;
    this.#path = path;
  }

  static parse(text: string): Json {
    return new Json(JSON.parse(text));
  }

  at(...keys: readonly string[]): Json {
    return keys.reduce(
      (json, key) => new Json(json.#members[key], `${json.#path}.${key}`),
      new Json(this.#value, this.#path),
    );
  }

  has(key: string): boolean {
    return this.#members[key] !== undefined;
  }

  /** The first of the members that is there. */
  either(...keys: readonly string[]): Json {
    return this.at(keys.find((key) => this.has(key)) ?? keys.join(' or '));
  }

  /** Of a list; nothing where there is none. */
  get items(): readonly Json[] {
    if (this.#value === undefined) return [];
    if (!Array.isArray(this.#value)) throw new Error(`${this.#path} is no list`);
    return this.#value.map((item, index) => new Json(item, `${this.#path}[${index}]`));
  }

  /** Values of a map; nothing where there is none. */
  get values(): readonly Json[] {
    return this.#value === undefined ? [] : Object.keys(this.#members).map((key) => this.at(key));
  }

  /** Of a text or a number. */
  get text(): string {
    if (typeof this.#value === 'string' || typeof this.#value === 'number') return String(this.#value);
    throw new Error(`${this.#path} is no text`);
  }

  get #members(): Readonly<Record<string, unknown>> {
    if (typeof this.#value !== 'object' || this.#value === null) throw new Error(`${this.#path} has no members`);
    return this.#value as Readonly<Record<string, unknown>>;
  }
}
