/** Segments are files `segments/<first>-<last>.seg`: one id when written, a range when several were merged. */
export const SEGMENT_FOLDER = 'segments';

const DIGITS = 12;

export interface SegmentRange {
  readonly firstId: number;
  readonly lastId: number;
}

export function segmentPath({ firstId, lastId }: SegmentRange): string {
  return `${SEGMENT_FOLDER}/${padded(firstId)}-${padded(lastId)}.seg`;
}

/** Null for what is no segment: leftovers of a merge. */
export function parseSegmentName(name: string): SegmentRange | null {
  const match = /^(\d{12})-(\d{12})\.seg$/.exec(name);
  if (match === null) return null;
  return { firstId: Number(match[1]), lastId: Number(match[2]) };
}

function padded(id: number): string {
  return String(id).padStart(DIGITS, '0');
}
