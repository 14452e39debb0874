import type { Drawing } from "./protocol.ts"

/** Twice the size, for screens and paper; less where a browser has no canvas that large. */
const SCALE = 2
const MOST_PIXELS_A_SIDE = 8_192

function save(blob: Blob, name: string): void {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** As a file's name may be on every system. */
const fileName = (title: string, extension: string) =>
  `${
    title
      .replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ")
      .trim()
      .slice(0, 120) || "diagram"
  }.${extension}`

export function downloadSvg(drawing: Drawing, title: string): void {
  save(new Blob([drawing.svg], { type: "image/svg+xml" }), fileName(title, "svg"))
}

/** Rejects if the browser cannot make it. *background* is a colour. */
export async function downloadPng(drawing: Drawing, title: string, background: string): Promise<void> {
  const image = new Image()
  // As a data address: of what comes from a blob, Chromium gives no pixels if the SVG has HTML in it.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing.svg)}`
  await image.decode()
  const scale = Math.min(SCALE, MOST_PIXELS_A_SIDE / Math.max(drawing.width, drawing.height))
  const canvas = document.createElement("canvas")
  canvas.width = Math.ceil(drawing.width * scale)
  canvas.height = Math.ceil(drawing.height * scale)
  const context = canvas.getContext("2d")
  if (!context) throw new Error("This browser has no canvas")
  context.fillStyle = background
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(image, 0, 0, canvas.width, canvas.height)
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"))
  if (!blob) throw new Error("This browser made no PNG")
  save(blob, fileName(title, "png"))
}
