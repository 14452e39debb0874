/**
 * The picture of a source that is being typed. While it does not parse, the last good picture stays, and is marked as such.
 * Only the newest source is drawn: what was typed meanwhile takes the place of what waits.
 */
import { DrawingFailed, draw } from "./frame.ts"
import { type Drawing, type Fault, fault, type Theme } from "./protocol.ts"

export type Picture = {
  drawing: Drawing | null
  /** Why the newest source has no picture; the drawing is then of an older one. */
  fault: Fault | null
  /** Nothing was drawn yet, and something is to be. */
  waiting: boolean
}

/** Milliseconds after the last key: a word typed quickly is drawn once. */
const QUIET = 120

export class Previewer {
  picture: Picture = { drawing: null, fault: null, waiting: true }
  private readonly listeners = new Set<() => void>()
  private source: () => string = () => ""
  private theme: Theme
  private timer: ReturnType<typeof setTimeout> | undefined
  private drawing = false
  private again = false
  private closed = false

  constructor(theme: Theme) {
    this.theme = theme
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  current = (): Picture => this.picture

  open(source: () => string): void {
    this.closed = false
    this.source = source
    void this.refresh()
  }

  edited(source: () => string): void {
    this.source = source
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.refresh(), QUIET)
  }

  wear(theme: Theme): void {
    if (theme === this.theme) return
    this.theme = theme
    void this.refresh()
  }

  async refresh(): Promise<void> {
    clearTimeout(this.timer)
    if (this.drawing) {
      this.again = true
      return
    }
    this.drawing = true
    do {
      this.again = false
      await this.once(this.source())
    } while (this.again && !this.closed)
    this.drawing = false
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
  }

  private async once(source: string): Promise<void> {
    if (!source.trim()) return this.become({ drawing: null, fault: null, waiting: false })
    try {
      this.become({ drawing: await draw(source, this.theme), fault: null, waiting: false })
    } catch (error) {
      const found = error instanceof DrawingFailed ? error.fault : fault("other", String(error))
      this.become({ drawing: this.picture.drawing, fault: found, waiting: false })
    }
  }

  private become(picture: Picture): void {
    if (this.closed) return
    this.picture = picture
    for (const listener of this.listeners) listener()
  }
}
