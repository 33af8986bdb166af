/** What the store needs of a logger; pino's has it. */
export interface StoreLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const SILENT_LOGGER: StoreLogger = { info: () => undefined, warn: () => undefined };
