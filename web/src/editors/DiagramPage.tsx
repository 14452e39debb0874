export default function DiagramPage() {
  return <main />
}
