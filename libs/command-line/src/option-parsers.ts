/** Values of options, checked while the command line is parsed: what is wrong here is wrong usage (exit 2). */
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from './duration.ts';
import { OUTPUT_FORMATS, isOutputFormat } from './output.ts';
import type { OutputFormat } from './output.ts';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** A whole number in a range, both ends included. */
export function parseWholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`A whole number from ${minimum} to ${maximum} is needed.`);
    }
    return value;
  };
}

/** `127.0.0.1:8443`, `[::1]:8443`, `:0`: no host means all addresses; port 0 means a free one. */
export function parseHostAndPort(text: string): HostAndPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError(
      'HOST:PORT is needed, such as 127.0.0.1:8443 or [::1]:8443; port 0 takes a free one.',
    );
  }
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '')), port };
}

/** 64 hexadecimal digits; colons as OpenSSL prints them are let pass. */
export function parseSha256(text: string): string {
  const digits = text.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits)) throw new InvalidArgumentError('64 hexadecimal digits are needed.');
  return digits;
}

export function parseHttpsUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new InvalidArgumentError('An https:// address is needed, such as https://manager.example.com:8443.');
  }
  return url.href.replace(/\/+$/, '');
}

/** `-o` has only its short name: `--output` and `--format` of `point export` speak of the file. */
export function parseOutputFormat(text: string): OutputFormat {
  if (!isOutputFormat(text)) throw new InvalidArgumentError(`One of ${OUTPUT_FORMATS.join(', ')} is needed.`);
  return text;
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** An option that is a duration, shown with its default as people type it. */
export function durationOption(flags: string, description: string, defaultText?: string): Option {
  const option = new Option(flags, description).argParser(parseDuration);
  return defaultText === undefined ? option : option.default(parseDuration(defaultText), defaultText);
}

/** An option that is HOST:PORT, shown with its default as people type it. */
export function hostAndPortOption(flags: string, description: string, defaultText: string): Option {
  return new Option(flags, description).argParser(parseHostAndPort).default(parseHostAndPort(defaultText), defaultText);
}
