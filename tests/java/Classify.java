import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.tensorflow.Result;
import org.tensorflow.SavedModelBundle;
import org.tensorflow.Tensor;
import org.tensorflow.TensorFlow;
import org.tensorflow.ndarray.NdArray;
import org.tensorflow.ndarray.NdArrays;
import org.tensorflow.types.TFloat32;
import org.tensorflow.types.TString;

/**
 * Names images by exported models: `java … Classify.java MODEL… -- IMAGE…` prints a line for each
 * model and image: model, image, label and probability, between tabs.
 */
public class Classify {
  public static void main(String[] arguments) throws Exception {
    int images = java.util.Arrays.asList(arguments).indexOf("--") + 1;
    int count = arguments.length - images;
    byte[][] encoded = new byte[count][];
    for (int i = 0; i < count; i++) {
      encoded[i] = Files.readAllBytes(Path.of(arguments[images + i]));
    }
    System.err.println("TensorFlow " + TensorFlow.version());
    for (int m = 0; m < images - 1; m++) {
      NdArray<byte[]> bytes = NdArrays.vectorOfObjects(encoded);
      try (SavedModelBundle model = SavedModelBundle.load(arguments[m], "serve");
          TString input = TString.tensorOfBytes(bytes);
          Result result =
              model.function("serving_default").call(Map.<String, Tensor>of("image_bytes", input))) {
        TString labels = (TString) result.get("label").get();
        TFloat32 probabilities = (TFloat32) result.get("probability").get();
        for (int i = 0; i < count; i++) {
          System.out.printf(
              "%s\t%s\t%s\t%.7f%n",
              arguments[m],
              arguments[images + i],
              labels.getObject(i),
              probabilities.getFloat(i));
        }
      }
    }
  }
}
