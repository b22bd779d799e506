/// The extents of a convolution: images `[count, height, width, channels]`, kernel `[units, channels, kernel, kernel]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) units: usize,
    /// Height and width of the kernel.
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Geometry {
    pub(super) fn new(images: &[usize], kernel: &[usize], stride: usize, padding: usize) -> Geometry {
        let &[count, height, width, channels] = images else { unreachable!("a batch of images has rank 4") };
        let &[units, _, rows, columns] = kernel else { unreachable!("a kernel has rank 4") };
        Geometry { count, height, width, channels, units, kernel: [rows, columns], stride, padding }
    }

    /// Height and width of the output.
    pub(super) fn out(&self) -> [usize; 2] {
        let extent = |length: usize, kernel: usize| (length + 2 * self.padding - kernel) / self.stride + 1;
        [extent(self.height, self.kernel[0]), extent(self.width, self.kernel[1])]
    }

    /// Pixels of an image of the output.
    pub(super) fn out_area(&self) -> usize {
        self.out()[0] * self.out()[1]
    }

    /// Values of an image of the input.
    pub(super) fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Values of an image of the output.
    pub(super) fn out_image(&self) -> usize {
        self.out_area() * self.units
    }

    /// Values that one value of the output is a sum over.
    pub(super) fn fan_in(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// Whether a pixel of the output reads the pixel of the input at its own place and nothing else.
    pub(super) fn is_plain_product(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    /// Images that one product takes together: enough rows for it to pay, few enough for their columns to stay in a cache.
    pub(super) fn group(&self) -> usize {
        256usize.div_ceil(self.out_area()).clamp(1, self.count.max(1))
    }

    /// The convolution of the output's gradient, with the kernel turned round, that gives the input's gradient. Only for stride 1, and
    /// padding less than the kernel.
    pub(super) fn turned(&self) -> Option<Geometry> {
        let [height, width] = self.out();
        let [rows, columns] = self.kernel;
        let fits = self.stride == 1 && rows == columns && self.padding < rows;
        fits.then(|| Geometry { height, width, channels: self.units, units: self.channels, padding: rows - 1 - self.padding, ..*self })
    }
}
