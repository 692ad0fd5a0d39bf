/**
 * Numbers handed out of a range in two bands: what is asked for by name may be anywhere, what is handed out
 * comes from above the lower band first, so that the lower one stays free for what people choose (KEP-3070 for
 * ClusterIPs, KEP-3668 for node ports). Kubernetes draws at random within a band; here it is the first free one,
 * so that a load is the same every time.
 */
export class BandedPool<Holder> {
  readonly first: number;
  readonly last: number;
  private readonly upperFirst: number;
  private readonly holders = new Map<number, Holder>();
  private nextUpper: number;
  private nextLower: number;

  /** `last` below `first` makes an empty pool. `lowerSize` is the size of the lower band. */
  constructor(first: number, last: number, lowerSize: number) {
    this.first = first;
    this.last = last;
    this.upperFirst = first + lowerSize;
    this.nextUpper = this.upperFirst;
    this.nextLower = first;
  }

  contains(number: number): boolean {
    return number >= this.first && number <= this.last;
  }

  /** Takes a number of the range; the holder it already has, if any, and then nothing changes. */
  reserve(number: number, holder: Holder): Holder | undefined {
    const before = this.holders.get(number);
    if (before === undefined) this.holders.set(number, holder);
    return before;
  }

  /** The next free number; undefined when none is left. All reservations must be made first. */
  allocate(holder: Holder): number | undefined {
    while (this.nextUpper <= this.last && this.holders.has(this.nextUpper)) this.nextUpper++;
    if (this.nextUpper <= this.last) return this.take(this.nextUpper++, holder);
    const lowerLast = Math.min(this.upperFirst - 1, this.last);
    while (this.nextLower <= lowerLast && this.holders.has(this.nextLower)) this.nextLower++;
    return this.nextLower <= lowerLast ? this.take(this.nextLower++, holder) : undefined;
  }

  private take(number: number, holder: Holder): number {
    this.holders.set(number, holder);
    return number;
  }
}

/**
 * Size of the lower band in a range: a share of it, but at least 16 and at most `sizeMax`, and none in a range of
 * at most 16 (calculateRangeOffset in pkg/registry/core/service/{ipallocator,portallocator}).
 */
export function lowerBandSize(rangeSize: number, share: number, sizeMax: number): number {
  if (rangeSize <= 16) return 0;
  return Math.min(Math.max(16, Math.floor(rangeSize / share)), sizeMax);
}
