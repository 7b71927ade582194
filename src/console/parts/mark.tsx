/** The same drawing as icon.svg, in the colours of the page. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <path class="shield" d="M16 1.5 29 5v11.2c0 7.3-5.2 12-13 14.8C8.2 28.2 3 23.5 3 16.2V5z" />
      <path class="bars" d="M9 10h9v3H9zm0 5h14v3H9zm0 5h6v3H9z" />
    </svg>
  )
}
