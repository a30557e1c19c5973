/* Rows of a CSV in (width, colour, weight), classes out; see classify.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fruit.h"

/* The cell at *at, which ends there; *at moves behind it. */
static char *cell(char **at) {
  char *start = *at, *end = start + strcspn(start, ",\r\n");
  *at = *end ? end + 1 : end;
  *end = 0;
  return start;
}

static double number(const char *text) {
  char *end;
  const double value = strtod(text, &end);
  return end == text ? NAN : value; /* a cell without a number is missing */
}

int main(void) {
  char line[256];
  while (fgets(line, sizeof line, stdin)) {
    char *at = line;
    double probabilities[FRUIT_OUTPUTS];
    fruit_row row;
    int place;
    row.width = number(cell(&at));
    row.colour = cell(&at);
    row.weight = number(cell(&at));
    place = fruit_predict(&row, probabilities);
    printf("%s %.3f\n", fruit_classes[place], probabilities[place]);
  }
  return 0;
}
