/** When to write a draft, when to send it, and when to try again. Durations are measured by a clock that nobody sets. */
export type Pace = { quietMs: number; longestMs: number }

const LARGE = 1_000_000

/** How long after the last edit, and how long at most after the first, content of *size* characters is sent. */
export function sendPace(size: number): Pace {
  return size > LARGE ? { quietMs: 10_000, longestMs: 60_000 } : { quietMs: 2_000, longestMs: 10_000 }
}

/** The same for the draft on this device: what a crash of the tab can take is no more than this. */
export function keepPace(size: number): Pace {
  return size > LARGE ? { quietMs: 1_000, longestMs: 5_000 } : { quietMs: 250, longestMs: 1_000 }
}

/** 1 s doubling to 60 s, of which up to half is left to chance, so that many pages do not come back at the same time. */
export function backoffMs(failures: number, random: number): number {
  const whole = Math.min(60_000, 1_000 * 2 ** Math.max(0, failures - 1))
  return whole / 2 + (whole / 2) * random
}

export class Debounce {
  private timer: ReturnType<typeof setTimeout> | undefined
  private since: number | null = null
  private readonly run: () => void

  constructor(run: () => void) {
    this.run = run
  }

  touch({ quietMs, longestMs }: Pace): void {
    const now = performance.now()
    this.since ??= now
    clearTimeout(this.timer)
    this.timer = setTimeout(
      () => {
        this.since = null
        this.run()
      },
      Math.max(0, Math.min(quietMs, this.since + longestMs - now)),
    )
  }

  cancel(): void {
    clearTimeout(this.timer)
    this.since = null
  }
}

/** Rejects if *work* takes longer: a store that hangs does not keep anything from being sent. */
export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DOMException("Took too long", "TimeoutError")), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
