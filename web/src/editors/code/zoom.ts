/** Where a picture is in its box, and how large. Pixels of CSS. */
export type Place = { scale: number; x: number; y: number }
export type Size = { width: number; height: number }

const LEAST = 0.05
const MOST = 8
const MARGIN = 24

/** In the middle, whole, and no larger than it is. */
export function fitted(picture: Size, box: Size): Place {
  const room = { width: Math.max(1, box.width - 2 * MARGIN), height: Math.max(1, box.height - 2 * MARGIN) }
  const scale = Math.max(LEAST, Math.min(1, room.width / picture.width, room.height / picture.height))
  return { scale, x: (box.width - picture.width * scale) / 2, y: (box.height - picture.height * scale) / 2 }
}

export const moved = ({ scale, x, y }: Place, right: number, down: number): Place => ({
  scale,
  x: x + right,
  y: y + down,
})

/** What is at (*atX*, *atY*) of the box stays there. */
export function zoomed({ scale, x, y }: Place, factor: number, atX: number, atY: number): Place {
  const next = Math.min(MOST, Math.max(LEAST, scale * factor))
  const by = next / scale
  return { scale: next, x: atX - (atX - x) * by, y: atY - (atY - y) * by }
}
