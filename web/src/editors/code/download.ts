import { download, fileName } from "../download.ts"
import type { Drawing } from "./protocol.ts"

/** Twice the size, for screens and paper; less where a browser has no canvas that large. */
const SCALE = 2
const MOST_PIXELS_A_SIDE = 8_192

export function downloadSvg(drawing: Drawing, title: string): void {
  download(fileName(title, "svg"), new Blob([drawing.svg], { type: "image/svg+xml" }))
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
  download(fileName(title, "png"), blob)
}
