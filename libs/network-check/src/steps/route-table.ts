/** The kernel's table of IPv4 routes, as `/proc/net/route` has it: numbers in hexadecimal and in the order of the machine. */
interface RouteRow {
  readonly device: string;
  readonly destination: number;
  readonly gateway: number;
  readonly mask: number;
}

/** The gateway of the narrowest route of this device to the address; null: there is none, or it is reached without one. */
export function findGateway(table: string, device: string, address: string): string | null {
  const wanted = numberOf(address);
  const matching = parseTable(table).filter(
    (row) => row.device === device && (wanted & row.mask) >>> 0 === row.destination,
  );
  const best = matching.toSorted((a, b) => b.mask - a.mask)[0];
  return best === undefined || best.gateway === 0 ? null : textOf(best.gateway);
}

function parseTable(table: string): readonly RouteRow[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [device = '', destination = '', gateway = '', , , , , mask = ''] = line.trim().split(/\s+/);
      if (mask === '') return [];
      return [{ device, destination: swapped(destination), gateway: swapped(gateway), mask: swapped(mask) }];
    });
}

/** Little-endian on every machine that we run on. */
function swapped(hexadecimal: string): number {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(Number.parseInt(hexadecimal, 16) >>> 0);
  return buffer.readUInt32BE();
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => ((sum << 8) | Number(part)) >>> 0, 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}
