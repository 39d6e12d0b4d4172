/** How a learning curve is made of the library's datasets. */

/** Datasets of a series: the band's upper and lower edge, the curve over them, and the circles. */
export const DATASETS_A_SERIES = 4;
/** Which of them is the curve. */
export const CURVE = 2;
