/** Rates of links, as people write them: `50Mbit/s`, `1Gbit/s`; decimal, as everybody who sells a link counts. */
const BITS_OF_UNIT: Readonly<Record<string, number>> = {
  bit: 1,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
};

/** Bits a second; null when it is no rate of at least 1 kbit/s. */
export function parseLinkRate(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(bit|kbit|Mbit|Gbit)(?:\/s)?$/i.exec(text.trim());
  const unit = BITS_OF_UNIT[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || unit === undefined) return null;
  const bitsPerSecond = Number(match[1]) * unit;
  return bitsPerSecond >= 1_000 && bitsPerSecond <= 1e12 ? bitsPerSecond : null;
}

/** Unknown (null) is "unknown", never 0. */
export function formatLinkRate(bitsPerSecond: number | null): string {
  if (bitsPerSecond === null) return 'unknown';
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'] as const;
  let value = bitsPerSecond;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[unit] ?? ''}`;
}
