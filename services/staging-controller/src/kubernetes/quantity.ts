/** Sizes as Kubernetes writes them: `10Gi`, `1500M`, `1e9`, plain bytes. */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
  Ei: 1024 ** 6,
};

/** Null: it is no size. */
export function parseBytes(quantity: string | undefined): number | null {
  const match = /^(\d+(?:\.\d+)?)(?:[eE]([+-]?\d+))?([mkMGTPE]|[KMGTPE]i)?$/.exec(quantity ?? '');
  if (match === null) return null;
  const [, digits, exponent, unit = ''] = match;
  const bytes = Number(digits) * 10 ** Number(exponent ?? 0) * (UNITS[unit] ?? Number.NaN);
  return Number.isFinite(bytes) ? Math.ceil(bytes) : null;
}

const MEBIBYTE = 1024 ** 2;

/** Rounded up to whole MiB, which every provisioner takes. */
export function formatBytes(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)}Mi`;
}
